"""Where the server is, and what is said when it is not there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from taskyard.client import AsyncTaskyardClient, TaskyardClient
from taskyard.client.server import Server
from taskyard.client.talk import Open, Request
from taskyard.errors import ConfigurationError, Overloaded
from tests.servers.ports import deaf_port


def test_the_settings_say_where_the_server_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TASKYARD_URL", "http://one.example:1/")
    monkeypatch.setenv("TASKYARD_TOKEN", "t")
    assert Server.named(None, None) == Server("http://one.example:1", "t")
    assert Server.named("http://two.example", None) == Server("http://two.example", "t")
    assert Server.named("http://two.example", "") == Server("http://two.example", "")


@pytest.mark.parametrize("url", ["", "localhost:8420", "ftp://here", "http://", "http://here:port"])
def test_what_is_no_address_is_refused_with_the_mend(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"TASKYARD_URL|http://127"):
        TaskyardClient(url, "t")


def test_a_token_is_never_shown_or_put_into_an_address() -> None:
    server = Server("https://one.example/under", "secret-token")
    assert "secret" not in repr(server)
    opened = server.open_arguments(Open("/ws/task/7?after=3"))
    assert opened["uri"] == "wss://one.example/under/ws/task/7?after=3"
    assert opened["subprotocols"] == ["bearer.secret-token"]
    assert server.send_arguments(Request("GET", "/x"))["url"] == "https://one.example/under/x"
    assert server.headers == {"authorization": "Bearer secret-token"}


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nobody listens."""
    with deaf_port() as port:
        yield f"http://127.0.0.1:{port}"


async def test_a_server_that_is_away_is_named_with_the_mend(nobody: str) -> None:
    with TaskyardClient(nobody, "") as client, pytest.raises(Overloaded, match="taskyard serve") as away:
        client.get("1")
    assert nobody in away.value.message
    async with AsyncTaskyardClient(nobody, "") as client:
        with pytest.raises(Overloaded, match=nobody):
            [message async for message in client.follow("1")]

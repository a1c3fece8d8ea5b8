"""Nothing gets through: judged by listeners that count who comes, not by what our code says of itself."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from ipaddress import ip_address
from typing import Any

import pytest

from taskyard.errors import CallFailed, EgressRefused
from taskyard.security.egress import guard as guarding
from taskyard.security.egress.guard import Guard, close_at_once
from taskyard.security.egress.rules import Rules
from tests.security.egress.conftest import MakeEgress, Names
from tests.security.egress.receiver import receiving
from tests.servers.ports import deaf_port

SPELLINGS = [
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "0",
    "0.0.0.0", "127.0.0.2", "127.255.255.254", "localhost", "LOCALHOST", "localhost.", "a.localhost", "127.0.0.1.",
    "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:1]", "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[fe80::1]", "[fd00:ec2::254]", "[ff02::1]",
    "①②⑦.⓪.⓪.①", "127。0。0。1", "\uff11\uff12\uff17.0.0.1", "ⓛocalhost", "169.254.169.254", "0xa9fea9fe", "2852039166",
    "10.0.0.1", "192.168.0.1", "172.16.0.1", "100.64.0.1", "168.63.129.16", "224.0.0.1", "255.255.255.255",
    "x@127.0.0.1", "x:y@127.0.0.1", "1.1.1.1@127.0.0.1", "inner.example", "two.example", "mapped.example",
    "metadata.example",
]  # fmt: skip
FORMS = ["http://{}:{}/", "http://{}:{}/#@1.1.1.1/", "http://{}:{}?@1.1.1.1", "https://{}:{}/", "HTTP://{}:{}/a/../b"]
BROKEN = [
    "", "/", "//127.0.0.1/", "ftp://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1/", "unix:///run/x.sock",
    "http://", "http:///", "http://[::1", "http://127.0.0.1:99999/", "http://127.0.0.1:x/",
    "http://a b/", "http:\\\\127.0.0.1/",
    "javascript:alert(1)", "data:text/plain,x", "http+unix://%2Frun%2Fx/", "http://\x00/", "http://1.1.1.1\r\nx: y/",
]  # fmt: skip


def inside() -> Names:
    return Names(
        inner=[["127.0.0.1"]],
        two=[["93.184.216.34", "127.0.0.1"]],
        mapped=[["::ffff:127.0.0.1"]],
        metadata=[["169.254.169.254"]],
    )


async def system_and(names: Names, host: str, port: int) -> list[str]:
    if host.endswith(".example"):
        return await names(host, port)
    found = await asyncio.get_running_loop().getaddrinfo(host, port)
    return [str(entry[4][0]) for entry in found]


@pytest.mark.parametrize("form", FORMS)
async def test_no_spelling_reaches_this_machine(form: str, make_egress: MakeEgress) -> None:
    names = inside()
    egress = make_egress()
    egress.guard._resolve = lambda host, port: system_and(names, host, port)
    async with receiving() as four, receiving(host="::1", port=four.port) as six:
        for host in SPELLINGS:
            url = form.format(host, four.port)
            with pytest.raises(EgressRefused):
                await egress.guard.check_url(url)
            with pytest.raises(EgressRefused):
                await egress.send("GET", url)
        assert four.accepted + six.accepted == 0


@pytest.mark.parametrize("url", BROKEN)
async def test_what_is_no_plain_url_is_refused(url: str, make_egress: MakeEgress) -> None:
    egress = make_egress(["127.0.0.1", "::1"])
    with pytest.raises(EgressRefused):
        await egress.guard.check_url(url)
    with pytest.raises(EgressRefused):
        await egress.send("GET", url)


async def test_the_refusal_at_the_door_names_the_field() -> None:
    with pytest.raises(EgressRefused) as refused:
        await Guard(Rules()).check_url("http://10.0.0.1/", "/callbackUrl")
    assert refused.value.code == "VALIDATION_ERROR"
    assert refused.value.details[0]["path"] == "/callbackUrl"
    assert "TASKYARD_EGRESS_ALLOW" in refused.value.message


async def test_a_refusal_does_not_tell_the_address_behind_a_name() -> None:
    with pytest.raises(EgressRefused) as refused:
        await Guard(Rules(), Names(inner=[["10.11.12.13"]])).check_url("http://inner.example/")
    assert "10.11" not in refused.value.message


async def test_a_name_without_an_address_passes_the_door_and_fails_the_call(make_egress: MakeEgress) -> None:
    egress = make_egress(names=Names())
    assert await egress.guard.check_url("https://later.example/") == "https://later.example/"
    with pytest.raises(CallFailed) as failed:
        await egress.send("GET", "https://later.example/")
    assert (failed.value.reason, failed.value.retryable) == ("connect", True)


async def test_a_name_that_changes_after_the_check_gains_nothing(make_egress: MakeEgress) -> None:
    names = Names(rebinding=[["127.0.0.1"], ["127.0.0.9"]])
    egress = make_egress(["127.0.0.1"], names)
    async with receiving() as good, receiving(host="127.0.0.9", port=good.port) as evil:
        url = f"http://rebinding.example:{good.port}/"
        assert (await egress.send("GET", url)).text == "ok"
        assert names.asked == ["rebinding.example"]
        assert good.asked[0].headers["host"] == f"rebinding.example:{good.port}"
        with pytest.raises(EgressRefused):
            await egress.send("GET", url)
        assert (good.accepted, evil.accepted) == (1, 0)


async def test_one_bad_address_among_good_ones_is_enough(make_egress: MakeEgress) -> None:
    egress = make_egress(["127.0.0.1"], Names(two=[["127.0.0.1", "127.0.0.9"]]))
    async with receiving() as receiver:
        with pytest.raises(EgressRefused):
            await egress.send("GET", f"http://two.example:{receiver.port}/")
        assert receiver.accepted == 0


async def test_an_allowed_host_may_be_anywhere_and_the_next_address_is_tried(make_egress: MakeEgress) -> None:
    egress = make_egress(["hooks.example"], Names(hooks=[["127.0.0.7", "127.0.0.1"]]))
    async with receiving() as receiver:
        assert (await egress.send("GET", f"http://hooks.example:{receiver.port}/")).status_code == 200


async def test_an_operators_own_address_is_trusted_by_that_client_only(make_egress: MakeEgress) -> None:
    egress = make_egress()
    async with receiving() as receiver, contextlib.AsyncExitStack() as stack:
        url = f"http://127.0.0.1:{receiver.port}/"
        own = egress.trusting(url)
        stack.push_async_callback(own.aclose)
        assert (await own.send("GET", url)).text == "ok"
        with pytest.raises(EgressRefused):
            await egress.send("GET", url)


async def test_other_protocols_get_guarded_connections() -> None:
    names = Names(mail=[["127.0.0.1"], ["127.0.0.9"]])
    async with receiving() as receiver:
        guard = Guard(Rules.parse(["127.0.0.1"]), names)
        reader, writer = await guard.open_connection("mail.example", receiver.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()
        with pytest.raises(EgressRefused):
            await guard.open_connection("mail.example", receiver.port)
        with pytest.raises(EgressRefused):
            await Guard(Rules()).open_socket("127.0.0.1", receiver.port)
        assert receiver.accepted == 1


async def test_a_connection_is_closed_at_once_whatever_waits() -> None:
    may_read, has_read = asyncio.Event(), asyncio.Semaphore(0)

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await may_read.wait()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        has_read.release()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    guard, port = Guard(Rules.parse(["127.0.0.1"])), server.sockets[0].getsockname()[1]
    _, stuck = await guard.open_connection("127.0.0.1", port)
    _, sent = await guard.open_connection("127.0.0.1", port)
    for writer in (stuck, sent):
        writer.write(bytes(1 << 24))
        writer.close()
    close_at_once(stuck)
    await stuck.wait_closed()  # though nobody took what was sent
    may_read.set()
    await sent.wait_closed()
    close_at_once(sent)
    for _ in (stuck, sent):
        await has_read.acquire()
    server.close()


async def test_a_port_that_nobody_listens_on_is_a_failed_call() -> None:
    guard = Guard(Rules.parse(["127.0.0.1"]))
    with deaf_port() as port:
        for wrong in (port, 70_000):
            with pytest.raises(CallFailed):
                await guard.open_connection("127.0.0.1", wrong, seconds=2)


async def test_names_that_nobody_answers_for_keep_no_other_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    real, over = socket.getaddrinfo, threading.Event()

    def ask(host: str, *of: Any, **more: Any) -> Any:
        if host != "localhost":
            over.wait(120)
        return real("localhost", *of, **more)

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    guard = Guard(Rules.parse(["127.0.0.0/8", "::1", "localhost"]))
    silent = [asyncio.create_task(guard.addresses(f"n{number}.example", 80)) for number in range(32)]
    try:
        async with asyncio.timeout(60):
            await asyncio.sleep(0)
            assert await guard.addresses("localhost", 80)
    finally:
        over.set()
        for task in silent:
            task.cancel()
        await asyncio.gather(*silent, return_exceptions=True)


async def test_so_many_names_are_asked_for_at_once_and_nobody_waits_for_them_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    over = threading.Event()

    def ask(host: str, *of: Any, **more: Any) -> Any:
        del of, more
        asked.append(host)
        over.wait(120)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    monkeypatch.setattr(guarding, "CONNECT_SECONDS", 0.05)
    guard = Guard(Rules.parse([]))
    urls = [f"https://n{number}.example/" for number in range(100)]
    try:
        async with asyncio.timeout(60):
            assert await asyncio.gather(*map(guard.check_url, urls)) == urls
        assert len(asked) == 64  # and each has its thread still
    finally:
        over.set()
    async with asyncio.timeout(60):
        while len(asked) == 64:
            await guard.check_url("https://another.example/")


async def test_nobody_is_asked_for_an_address() -> None:
    names = Names()
    assert await Guard(Rules.parse(["127.0.0.1", "::1"]), names).addresses("127.0.0.1", 80) == [ip_address("127.0.0.1")]
    assert names.asked == []

"""`taskyard serve`, `worker` and `demo`, and every command over HTTP."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.command import Command, Inline, Running
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect


def url_of(server: Running) -> str:
    """The address that a server tells when it answers."""
    document = ""
    while not document.rstrip().endswith("}"):
        document += server.line() + "\n"
    return str(json.loads(document)["url"])


@pytest.fixture
def remote(program: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Commands that speak to a server with a worker, from another folder."""
    elsewhere = program / "elsewhere"
    elsewhere.mkdir()
    with program.begin("serve", "jobs:yard", "--port", "0", "--json") as server:
        url = url_of(server)
        token = (program / ".taskyard" / "admin.token").read_text().strip()
        settings = {"TASKYARD_URL": url, "TASKYARD_TOKEN": token}
        yield Inline(elsewhere, settings, patch=monkeypatch, captured=capsys)
        ended = server.end(signal.SIGTERM)
        assert ended.code == 0, ended


def test_commands_speak_to_a_server(remote: Command) -> None:
    assert {one["health"] for one in remote.done("doctor", "--json").json["findings"]} == {"ok"}
    ended = remote.done("run", "count", "--to", "2", "--names", "a")
    assert (ended.json["to"], ended.json["names"]) == (2, ["a"])
    assert "counted to 2" in ended.err
    failed = remote("run", "refuse")
    assert (failed.code, "UNWILLING" in failed.err) == (1, True)
    task_id = remote.done("tasks", "--status", "COMPLETED", "--json").json["items"][0]["taskId"]
    assert "counting 2 of 2 (100 %)" in remote.done("show", task_id).out
    assert remote.done("follow", task_id, "--json").lines[-1]["type"] == "end"
    assert remote.done("queues", "pause", "automated", "--json").json["paused"] is True
    waiting = remote.done("start", "count", "-o", "priority=HIGH").out.strip()
    assert "is paused" in remote.done("why", waiting).out
    assert remote.done("cancel", waiting, "--json").json["status"] == "CANCELED"
    assert remote.done("queues", "resume", "automated", "--json").json["paused"] is False
    requeued = remote.done("deadletters", "requeue", "--definition", "refuse", "--rate", "5", "--json").json
    assert len(requeued["taskIds"]) == 1
    assert [one["key"] for one in remote.done("definitions", "--json").json["items"]] == [
        "count", "measure", "refuse", "wait_for_ever",
    ]  # fmt: skip
    (remote / "photo.bin").write_bytes(b"123")
    assert remote.done("run", "measure", "--file", "@photo.bin").json == 3
    assert not (remote / "program.db").exists()


def test_refusals_of_a_server_are_one_line(remote: Command) -> None:
    for arguments in (["run", "count", "--to", "x"], ["run", "nothing"], ["show", "12"], ["tasks", "--cursor", "x"]):
        ended = remote(*arguments)
        assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)
    remote.settings["TASKYARD_TOKEN"] = "wrong"
    assert remote("tasks").code == 2
    assert remote("doctor").code == 1


def test_a_server_that_is_away_exits_with_3(taskyard: Command) -> None:
    taskyard.settings["TASKYARD_URL"] = "http://127.0.0.1:1"
    ended = taskyard("tasks")
    assert (ended.code, len(ended.err.splitlines())) == (3, 1)
    assert "taskyard serve" in ended.err


def test_a_worker_executes_until_it_is_told_to_stop(taskyard: Command) -> None:
    with taskyard.begin("worker", "jobs:yard", "--queues", "automated") as worker:
        started = taskyard.done("start", "count", "--app", "jobs:yard").out.strip()
        assert taskyard.done("follow", started, "--json").lines[-2]["status"] == "COMPLETED"
        ended = worker.end(signal.SIGTERM)
    assert ended.code == 0, ended


def test_a_socket_that_is_refused_is_no_error(program: Command) -> None:
    with program.begin("serve", "--no-worker", "--port", "0", "--json") as server:
        with pytest.raises(InvalidStatus) as refused:
            connect(url_of(server).replace("http", "ws") + "/ws/task/1").close()
        ended = server.end(signal.SIGTERM)
    assert refused.value.response.status_code == 401
    told = [json.loads(line) for line in ended.err.splitlines()]
    assert any('"WebSocket /ws/task/1" 401' in line["event"] for line in told), told
    assert {line["level"] for line in told} == {"info"}, told


def test_a_port_that_is_taken_is_said(remote: Command, tmp_path: Path) -> None:
    port = remote.settings["TASKYARD_URL"].rpartition(":")[2]
    ended = Command(tmp_path / "elsewhere")("serve", "--port", port, "--no-worker")
    assert (ended.code, ended.out) == (2, "")
    assert "choose another with --port" in ended.err


def test_the_demo_does_its_work_and_exits(program: Command) -> None:
    ended = program.done("demo", "--once", "--port", "0")
    assert "Taskyard serves http://127.0.0.1:" in ended.out
    assert "/login?token=" in ended.out
    assert "copy verified" in ended.out
    assert "as planned" in ended.out
    assert "nobody objected" in ended.out
    assert "paid to Anna Becker, as a person has agreed" in ended.out
    assert "Traceback" not in ended.out + ended.err


def test_the_demo_takes_the_port_that_is_set(program: Command) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        program.settings["TASKYARD_PORT"] = port = str(probe.getsockname()[1])
    with program.begin("demo") as demo:
        assert demo.line() == f"Taskyard serves http://127.0.0.1:{port}"
        assert demo.end(signal.SIGINT).code == 0


def test_a_worker_works_on_while_its_broker_is_away(program: Command) -> None:
    program.settings |= {"TASKYARD_CONNECTOR": "kafka", "KAFKA_BROKERS": "127.0.0.1:1"}
    with program.begin("worker", "jobs:yard") as worker:
        program.done("follow", program.done("start", "count", "--app", "jobs:yard").out.strip())
        ended = worker.end(signal.SIGTERM)
    assert ended.code == 0
    assert "events wait for the broker" in ended.err


def test_a_connector_without_its_settings_stops_the_start(program: Command) -> None:
    program.settings["TASKYARD_CONNECTOR"] = "kafka"
    for command in (["worker", "jobs:yard"], ["serve", "jobs:yard", "--port", "0"]):
        ended = program(*command)
        assert ended.code == 2
        assert "KAFKA_BROKERS" in ended.err
        assert len([line for line in ended.err.splitlines() if "KAFKA_BROKERS" in line]) == 1


def test_the_demo_stops_when_it_is_told_to(program: Command) -> None:
    with program.begin("demo", "--port", "0") as demo:
        assert demo.line().startswith("Taskyard serves ")
        ended = demo.end(signal.SIGINT)
    assert ended.code == 0, ended
    assert "Traceback" not in ended.err

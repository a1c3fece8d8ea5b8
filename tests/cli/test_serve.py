"""`taskyard serve`, `worker` and `demo`, and every command over HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.command import Command, Inline, url_of
from tests.servers.ports import free_port
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect


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


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("raise RuntimeError('boom')", "broken cannot be imported: RuntimeError: boom (broken.py, line 2)"),
        ("import no_such_thing", "No module named 'no_such_thing' (broken.py, line 2)"),
        ("def (", "broken cannot be imported: SyntaxError: invalid syntax (broken.py, line 2)"),
    ],
)
def test_a_module_that_cannot_be_imported_is_told_with_its_line(taskyard: Command, line: str, told: str) -> None:
    (taskyard / "broken.py").write_text(f"import sys\n{line}\n")
    for command in ("worker", "serve"):
        ended = taskyard(command, "broken:yard")
        assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)
        assert told in ended.err


def test_a_module_may_run_a_loop_while_it_is_imported(program: Command) -> None:
    with (program / "jobs.py").open("a") as jobs:
        jobs.write("\nasync def main() -> None: ...\nimport sys\nif 'supervised' in sys.argv[0]: asyncio.run(main())\n")
    with program.begin("worker", "jobs:yard") as worker:
        started = program.done("start", "count", "--app", "jobs:yard").out.strip()
        assert program.done("follow", started, "--json").lines[-2]["status"] == "COMPLETED"
        ended = worker.end(signal.SIGTERM)
    assert ended.code == 0, ended
    assert "Traceback" not in ended.err


def test_a_worker_process_whose_module_has_broken_says_so_in_a_line(program: Command) -> None:
    (program / "broken.py").write_text("raise RuntimeError('boom')\n")
    command = [sys.executable, "-m", "taskyard.supervised", str(os.getpid()), "0", "broken:yard"]
    ended = subprocess.run(command, cwd=program.folder, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "taskyard: broken cannot be imported: RuntimeError: boom (broken.py, line 1)\n"


def test_a_worker_process_whose_database_cannot_be_used_says_so_in_a_line(program: Command) -> None:
    (program / "folder").mkdir()
    environment = program.environment | {"TASKYARD_DATABASE_URL": "sqlite:///folder"}
    with tempfile.TemporaryFile() as cells:
        ended = subprocess.run(
            [sys.executable, "-m", "taskyard.supervised", str(os.getpid()), str(cells.fileno()), "jobs:yard"],
            cwd=program.folder, env=environment, capture_output=True, text=True, timeout=60, check=False,
            pass_fds=[cells.fileno()],
        )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr.startswith("taskyard: the database cannot be used now (unable to open database file)")
    assert len(ended.stderr.splitlines()) == 1


def test_an_interruption_while_the_program_is_imported_is_told_in_a_line(program: Command) -> None:
    (program / "typer.py").write_text("raise KeyboardInterrupt\n")
    environment = program.environment | {"PYTHONPATH": str(program.folder)}
    ended = subprocess.run(
        [sys.executable, "-m", "taskyard", "serve"], cwd=program.folder, env=environment, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "taskyard: stopped\n")


def test_a_worker_and_a_server_warn_of_variables_that_are_no_settings(program: Command) -> None:
    program.settings["TASKYARD_TIMEZONE_"] = "x"
    with program.begin("serve", "--no-worker", "--port", "0", "--json") as server:
        url_of(server)
        ended = server.end(signal.SIGTERM)
    assert "TASKYARD_TIMEZONE_ is no setting" in ended.err


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
    program.settings["TASKYARD_PORT"] = port = str(free_port())
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

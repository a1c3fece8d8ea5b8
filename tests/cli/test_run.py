"""`taskyard run` and `start`: input, progress, result, exit codes; in a pipe."""

from __future__ import annotations

import json
import signal
import sqlite3

import pytest
from tests.cli.command import Command

from taskyard.cli.output import progress_line

APP = ("--app", "jobs:yard")


def test_run_executes_here_and_prints_the_output(program: Command) -> None:
    fields = ["--to", "3", "--loud", "--names", "a", "--names", "b", "--mode", "down", "--extra", '{"x": 1}']
    ended = program.done("run", "count", *fields, *APP)
    assert ended.json == {
        "to": 3, "step": 1.0, "loud": True, "names": ["a", "b"], "mode": "down", "extra": {"x": 1},
    }  # fmt: skip
    assert "counted to 3" in ended.err
    assert "WARNING that is [all]" in ended.err
    assert "COMPLETED" in ended.err


def test_run_in_a_pipe_prints_no_escapes(taskyard: Command) -> None:
    ended = taskyard.done("run", "count", *APP)
    assert "\x1b" not in ended.out + ended.err
    assert "counting 4 of 4 (100 %)" in ended.err


def test_run_as_json_prints_the_task_alone(taskyard: Command) -> None:
    ended = taskyard.done("run", "count", "--json", "--input", "-", *APP, text='{"to": 1}')
    assert ended.err == ""
    assert ended.json["status"] == "COMPLETED"
    assert ended.json["input"] == {"to": 1}
    assert ended.json["output"]["to"] == 1


def test_a_failed_task_exits_with_1(taskyard: Command) -> None:
    ended = taskyard("run", "refuse", *APP)
    assert ended.code == 1
    assert ended.out == ""
    assert "UNWILLING: it will not" in ended.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["count", "--to", "many"], "/input/to must be an integer"),
        (["count", "--fro", "1"], "/input/fro"),
        (["count", "--to", "1", "--input", "{}"], "not both"),
        (["count", "--input", "{"], "not JSON"),
        (["count", "--input", "@missing.json"], "missing.json cannot be read"),
        (["count", "stray"], "'stray' belongs to no option"),
        (["--to", "1"], "name the task before its fields"),
        (["nothing"], "there is no task definition 'nothing'"),
        (["count", "-o", "priority=URGENT"], "/priority"),
        (["count", "-o", "prioritee=HIGH"], "/prioritee"),
    ],
)
def test_what_is_refused_is_said_in_one_line_and_exits_with_2(
    taskyard: Command, arguments: list[str], said: str
) -> None:
    ended = taskyard("run", *arguments, *APP)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert len(ended.err.splitlines()) == 1


def test_every_finding_is_in_the_line(taskyard: Command) -> None:
    ended = taskyard("run", "count", "--to", "many", "--step", "long", *APP)
    assert "/input/to" in ended.err
    assert "/input/step" in ended.err


def test_a_file_is_handed_over(taskyard: Command) -> None:
    (taskyard / "photo.bin").write_bytes(b"12345")
    assert taskyard.done("run", "measure", "--file", "@photo.bin", *APP).json == 5


def test_start_leaves_the_work_to_workers(taskyard: Command) -> None:
    started = taskyard.done("start", "count", "-o", "priority=HIGH", "-o", "tags=a", "-o", "correlationId=c", *APP)
    task_id = started.out.strip()
    assert f"taskyard follow {task_id}" in started.err
    task = taskyard.done("show", task_id, "--json").json
    expected = ("PENDING", "HIGH", ["a"], "c")
    assert (task["status"], task["priority"], task["tags"], task["correlationId"]) == expected
    assert "start one with `taskyard worker`" in taskyard.done("why", task_id).out
    followed = taskyard.done("follow", task_id, *APP)
    assert "counted to 4" in followed.out
    assert "COMPLETED" in followed.out


def test_start_as_json_says_whether_the_task_was_reused(taskyard: Command) -> None:
    first, second = (taskyard.done("start", "count", "-o", "expire=60", "--json", *APP).json for _ in range(2))
    assert "reused" not in first
    assert second["reused"] is True
    assert second["taskId"] == first["taskId"]


def test_follow_prints_a_message_a_line_and_can_go_on_after_one(taskyard: Command) -> None:
    task_id = taskyard.done("run", "count", "--json", *APP).json["taskId"]
    messages = taskyard.done("follow", task_id, "--json").lines
    assert [m["type"] for m in messages[-2:]] == ["result", "end"]
    sequences = [m["sequence"] for m in messages]
    assert sequences == sorted(sequences)
    cut = messages[2]["sequence"]
    rest = taskyard.done("follow", task_id, "--json", "--after", str(cut)).lines
    assert rest[:-1] == [m for m in messages[:-1] if m["sequence"] > cut]


def test_an_interrupted_run_gives_its_task_back(program: Command) -> None:
    with program.begin("run", "wait_for_ever", *APP) as running:
        while not (program / "waiting").exists():
            assert running.alive
        ended = running.end(signal.SIGINT)
    assert (ended.code, ended.out) == (130, "")
    assert "is not done: see `taskyard follow " in ended.err
    assert "Traceback" not in ended.err
    with sqlite3.connect(program / "taskyard.db") as database:
        assert database.execute("SELECT count(*) FROM claim").fetchone() == (0,)
    assert [t["status"] for t in program.done("tasks", "--json").json["items"]] == ["PENDING"]


def test_a_yard_that_is_not_there_is_said(taskyard: Command) -> None:
    for name, said in [("nowhere:yard", "no module 'nowhere'"), ("jobs:other", "no Taskyard named 'other'")]:
        ended = taskyard("run", "count", "--app", name)
        assert ended.code == 2
        assert said in ended.err


def test_an_unexpected_error_is_one_line(taskyard: Command) -> None:
    (taskyard / "broken.py").write_text("def __getattr__(name): raise RuntimeError('no\\nway')")
    ended = taskyard("run", "count", "--app", "broken:yard")
    assert (ended.code, ended.err) == (3, "taskyard: RuntimeError: no way; `taskyard --debug …` shows where\n")


def test_debugging_shows_where_an_error_came_from(program: Command) -> None:
    (program / "broken.py").write_text("raise RuntimeError('no way')")
    ended = program("--debug", "run", "count", "--app", "broken:yard")
    assert ended.code == 1
    assert 'broken.py", line 1' in ended.err


def test_output_of_a_task_may_be_any_json(taskyard: Command) -> None:
    (taskyard / "odd.py").write_text(
        "from taskyard import Taskyard\nyard = Taskyard()\n@yard.task\ndef odd() -> str: return 'a\\u202eb\\x1b[2J'\n"
    )
    ended = taskyard.done("run", "odd", "--app", "odd:yard")
    assert json.loads(ended.out) == "a\u202eb\x1b[2J"
    assert "\u202e" not in ended.out


def test_progress_tells_large_numbers_whole() -> None:
    progress = {"action": "sending", "current": 16_777_216.0, "total": 20_971_520.0, "percent": 80.0}
    assert progress_line(progress) == "sending 16777216 of 20971520 (80 %)"
    assert progress_line({"current": 0.5, "total": 3}) == "0.5 of 3"

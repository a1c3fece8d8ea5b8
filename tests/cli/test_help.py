"""The program itself: help, version, usage errors, and how quickly it is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.command import Command

COMMANDS = [
    "demo", "init", "serve", "worker", "run", "start", "tasks", "show", "follow", "cancel", "retry", "why", "queues",
    "inbox", "claim", "release", "draft", "complete", "reject", "repair",
    "deadletters", "definitions", "schedules", "token", "users", "migrate", "settings", "doctor", "mcp",
]  # fmt: skip
TEXTS = Path(__file__).parents[2] / "ui" / "src" / "texts"
HEAVY = {"asyncpg", "fastapi", "httpx", "jsonschema_rs", "starlette", "structlog", "uvicorn", "uvloop", "websockets"}


def test_help_names_every_command(taskyard: Command) -> None:
    shown = taskyard.done("--help").out
    assert [line.split()[0] for line in shown.partition("Commands:")[2].splitlines() if line[:2] == "  " != line[2:4]]
    for name in COMMANDS:
        assert f"\n  {name} " in shown
    assert "..." not in shown.partition("Commands:")[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    from taskyard.cli.program import run

    assert run([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: taskyard {name}")


def test_commands_that_the_browser_names_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    from taskyard.cli.program import run

    named = {
        found
        for file in TEXTS.glob("*.ts")
        for found in re.findall(r"`taskyard ([a-z -]*[a-z])", file.read_text("utf-8"))
    }
    assert "webhooks create" in named
    for command in sorted(named):
        assert run([*command.split(), "--help"]) == 0
        assert capsys.readouterr().out.startswith(f"Usage: taskyard {command} "), command


@pytest.mark.parametrize("arguments", [[], ["audit"]])
def test_a_group_without_a_command_refuses_with_its_help(taskyard: Command, arguments: list[str]) -> None:
    ended = taskyard(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == taskyard.done(*arguments, "--help").out


def test_version(taskyard: Command) -> None:
    assert taskyard.done("--version").out.startswith("taskyard ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "No such command 'nothing'; see `taskyard --help`"),
        (["show"], "Missing argument 'ID'; see `taskyard show --help`"),
        (["tasks", "--limit", "0"], "--limit"),
        (["tasks", "--created-after", "soon"], "'soon' is no time such as 2026-01-31T12:00"),
        (["tasks", "--colour", "red"], "No such option: --colour"),
        (["deadletters", "discard"], "say which: ids, --definition KEY, or --all"),
        (["worker", "--queues", "automated,retry"], "a worker cannot work off 'retry'"),
    ],
)
def test_bad_usage_is_one_line_and_exits_with_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from taskyard.cli.program import run

    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert (captured.out, len(captured.err.splitlines())) == ("", 1)


def test_the_program_is_there_before_anything_heavy_is_loaded() -> None:
    code = "import sys, taskyard.cli.program as p; p.run(['--help']); print(*sys.modules, file=sys.stderr)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = HEAVY.intersection(ended.stderr.split())
    assert not loaded

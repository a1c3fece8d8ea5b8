"""The demo's show, fed with the messages of runs that have ended."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from rich.console import Console

from taskyard.demo.plan import Step
from taskyard.demo.show import show
from taskyard.demo.track import Message

Lines = list[dict[str, Any]]


@dataclass
class EndedRun:
    """A run whose messages are all there."""

    id: str
    messages: Lines
    status: str = "PENDING"

    async def follow(self) -> AsyncIterator[Message]:
        for second, message in enumerate([*self.messages, {"type": "end"}]):
            yield {"sequence": second, "at": f"2025-01-01T00:00:{second:02d}.000Z", **message}


def status(name: str) -> dict[str, Any]:
    return {"type": "status", "status": name}


def progress(current: int) -> dict[str, Any]:
    return {"type": "progress", "current": current, "total": 100, "action": "counting [sheep]", "percent": current}


COUNTED: Lines = [
    status("PENDING"),
    status("RUNNING"),
    *(progress(current) for current in range(0, 101, 5)),
    {"type": "log", "level": "info", "text": "\x1b[32mgreen\x1b[0m [not markup]"},
    status("COMPLETED"),
    {"type": "result", "status": "COMPLETED", "output": {"summary": "100 counted"}},
]
RETRIED: Lines = [
    status("RUNNING"),
    status("RETRYING"),
    status("PENDING"),
    status("RUNNING"),
    status("FAILED"),
    {"type": "result", "status": "FAILED", "error": {"code": "AWAY", "message": "nobody [there]"}},
]
CANCELED: Lines = [status("PENDING"), status("CANCELED")]


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), width=100, force_terminal=terminal, force_interactive=terminal)


def text_of(target: Console) -> str:
    assert isinstance(target.file, io.StringIO)
    return target.file.getvalue()


async def test_in_a_pipe_it_prints_lines() -> None:
    target = console(terminal=False)
    assert await show([(Step("count", {}, {}), EndedRun("1", COUNTED))], target)
    text = text_of(target)
    assert "\x1b" not in text
    assert "green [not markup]" in text
    assert [line.split("%")[0].split()[1] for line in text.splitlines() if "%" in line] == ["25", "50", "75", "100"]
    assert "counting [sheep]" in text
    assert text.count("100 counted") == 2


async def test_in_a_terminal_it_draws_bars() -> None:
    target = console(terminal=True)
    steps = [Step("count", {}, {"delay": 5}), Step("call", {}, {}, expected="FAILED")]
    runs = [EndedRun("1", COUNTED), EndedRun("2", RETRIED)]
    assert await show(list(zip(steps, runs, strict=True)), target)
    assert "━" in text_of(target)
    assert "as planned" in text_of(target)


async def test_the_table_counts_attempts_and_time() -> None:
    target = console(terminal=False)
    assert await show([(Step("call", {}, {}, expected="FAILED"), EndedRun("1", RETRIED))], target)
    row = text_of(target).strip().splitlines()[-1]
    assert row.split() == ["call", "FAILED", "2", "4.0", "s", "as", "planned:", "AWAY:", "nobody", "[there]"]


@pytest.mark.parametrize(
    ("messages", "expected"), [(COUNTED, "FAILED"), (RETRIED, "COMPLETED"), (CANCELED, "COMPLETED"), ([], "COMPLETED")]
)
async def test_an_unexpected_end_is_told(messages: Lines, expected: str) -> None:
    target = console(terminal=False)
    assert not await show([(Step("task", {}, {}, expected), EndedRun("1", messages))], target)
    assert f"should be {expected}" in text_of(target)

"""Watching one run: a bar with the logs above it on a terminal, lines elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from taskyard.cli.access import Access, Message
from taskyard.cli.output import error_line, progress_line, styled
from taskyard.domain.text import printable

_PATIENCE = 2.0
_WAITING = frozenset({"PENDING", "ASSIGNED", "WAITING"})
_LEVEL_STYLES = {"DEBUG": "dim", "WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}


class Display(Protocol):
    """A way to show a run's messages."""

    def show(self, message: Message) -> None:
        """Show one message."""

    def note(self, text: str) -> None:
        """Say something beside them."""


async def watch(access: Access, task_id: str, messages: AsyncIterator[Message], console: Console | None) -> None:
    """Show the messages until they end; on no console nothing is shown. A task that keeps waiting says why."""
    if console is None:
        async for _ in messages:
            pass
        return
    waiting = _Waiting()
    with _display(console) as display:
        explaining = asyncio.create_task(_explain(access, task_id, waiting, display))
        try:
            async for message in messages:
                waiting.hear(message)
                display.show(message)
        finally:
            explaining.cancel()
            await asyncio.gather(explaining, return_exceptions=True)


def _display(console: Console) -> AbstractContextManager[Display]:
    return Bar(console) if console.is_terminal else contextlib.nullcontext(Lines(console))


class _Waiting:
    """Whether the run waits, and an event for when it begins to."""

    def __init__(self) -> None:
        self.status = "PENDING"
        self.changed = asyncio.Event()

    def hear(self, message: Message) -> None:
        if message["type"] == "status":
            self.status = message["status"]
            self.changed.set()


async def _explain(access: Access, task_id: str, waiting: _Waiting, display: Display) -> None:
    """Whenever the run has waited for a while, say what for."""
    while True:
        waiting.changed.clear()
        try:
            async with asyncio.timeout(_PATIENCE if waiting.status in _WAITING else None):
                await waiting.changed.wait()
        except TimeoutError:
            display.note((await access.why(task_id))["reason"])
            await waiting.changed.wait()


class Lines:
    """A line for each log, each state and each quarter of the progress."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._quarter = 0

    def show(self, message: Message) -> None:
        """See the protocol."""
        match message["type"]:
            case "log":
                self._console.print(log_text(message), soft_wrap=True)
            case "status":
                self._quarter = 0
                self._console.print(styled(message["status"]))
            case "progress" if self._has_moved(message):
                self._console.print(Text(printable(progress_line(message)), style="dim"), soft_wrap=True)
            case "result" if message.get("error"):
                self._console.print(Text(printable(error_line(message["error"])), style="red"), soft_wrap=True)
            case "gap":
                self.note(f"{message.get('skipped', 'some')} lines were skipped")

    def note(self, text: str) -> None:
        """See the protocol."""
        self._console.print(Text(printable(text), style="dim"), soft_wrap=True)

    def _has_moved(self, message: Message) -> bool:
        quarter = int((message.get("percent") or 0) // 25)
        moved, self._quarter = quarter > self._quarter, max(quarter, self._quarter)
        return moved


class Bar:
    """A bar that is redrawn in place; logs scroll by above it. A context manager that yields itself."""

    def __init__(self, console: Console) -> None:
        self._lines = Lines(console)
        self._progress = Progress(
            TextColumn("{task.fields[state]}", markup=False, table_column=Column(no_wrap=True)),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[action]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
            console=console,
        )
        self._bar = self._progress.add_task("", total=None, state="PENDING", action="")

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, message: Message) -> None:
        """See the protocol."""
        match message["type"]:
            case "status":
                self._progress.update(self._bar, **_bar_of(message["status"]))
            case "progress":
                action = printable(message.get("action") or "")
                self._progress.update(self._bar, completed=message["current"], total=message["total"], action=action)
            case _:
                self._lines.show(message)

    def note(self, text: str) -> None:
        """See the protocol."""
        self._lines.note(text)


def _bar_of(status: str) -> dict[str, Any]:
    if status == "RUNNING":
        return {"state": status, "action": ""}
    return {"state": status, **({"completed": 1, "total": 1} if status == "COMPLETED" else {})}


def log_text(message: Message) -> Text:
    """A log line in its colours; its level is named where it is not plain information."""
    text = Text.from_ansi(printable(str(message["text"])))
    level = str(message["level"]).upper()
    if level == "INFO":
        return text
    return Text.assemble((f"{level} ", _LEVEL_STYLES.get(level, "")), text)

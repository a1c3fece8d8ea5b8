"""The demo's show in the terminal: all runs side by side while they work, and a table in the end."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column, Table
from rich.text import Text

from taskyard.demo.plan import Step
from taskyard.demo.track import Message, Run, Track

_STYLES = {"RUNNING": "cyan", "RETRYING": "yellow", "COMPLETED": "green", "FAILED": "red", "CANCELED": "red"}


class Display(Protocol):
    """A way to show messages as they come."""

    def update(self, track: Track, message: Message) -> None:
        """Show what `message` changed in `track`, which has taken it already."""


async def show(runs: Iterable[tuple[Step, Run]], console: Console | None = None) -> bool:
    """Follow the started runs to their ends, then print a table of them all.

    In a terminal each run has a live bar; elsewhere what happens is printed line by line. Returns whether
    every run ended as its step expected.
    """
    console = console or Console()
    tracks = [Track(step, run) for step, run in runs]
    live: AbstractContextManager[Display]
    live = LiveDisplay(console, tracks) if console.is_interactive else nullcontext(PlainDisplay(console))
    with live as display:
        async with asyncio.TaskGroup() as group:
            for track in tracks:
                group.create_task(_follow(track, display))
    console.print(_table(tracks))
    return all(track.as_expected for track in tracks)


async def _follow(track: Track, display: Display) -> None:
    async for message in track.run.follow():
        track.take(message)
        display.update(track, message)


class PlainDisplay:
    """Lines for a pipe or a file: states, logs, and progress in quarters."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._quarters: defaultdict[str, int] = defaultdict(int)

    def update(self, track: Track, message: Message) -> None:
        """Print what `message` says, if that is worth a line."""
        match message["type"]:
            case "status":
                self._print(track, _state(track))
            case "log":
                self._print(track, _log(message))
            case "progress" if self._new_quarter(track):
                self._print(track, Text(f"{track.percent:3.0f} % {track.action}"))
            case "result":
                self._print(track, Text(track.result))

    def _new_quarter(self, track: Track) -> bool:
        quarter = int(track.percent // 25)
        if quarter <= self._quarters[track.run.id]:
            return False
        self._quarters[track.run.id] = quarter
        return True

    def _print(self, track: Track, text: Text) -> None:
        self._console.print(_named(track, text), soft_wrap=True)


class LiveDisplay:
    """A bar a run, redrawn in place; logs scroll by above. A context manager that yields itself."""

    def __init__(self, console: Console, tracks: Iterable[Track]) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[state]}", table_column=Column(no_wrap=True, width=9)),
            BarColumn(bar_width=None, table_column=Column(ratio=2)),
            TextColumn("{task.percentage:>3.0f}%", table_column=Column(no_wrap=True)),
            TextColumn(
                "{task.fields[caption]}",
                markup=False,
                table_column=Column(no_wrap=True, overflow="ellipsis", ratio=3),
            ),
            console=console,
            expand=True,
        )
        self._bars: dict[str, TaskID] = {
            track.run.id: self._progress.add_task(track.step.key, total=100, **_fields(track)) for track in tracks
        }

    def __enter__(self) -> LiveDisplay:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, track: Track, message: Message) -> None:
        """Move the run's bar, and print `message` above the bars if it is a line of the log."""
        if message["type"] == "log":
            self._progress.console.print(_named(track, _log(message)), no_wrap=True, overflow="ellipsis")
        self._progress.update(self._bars[track.run.id], completed=track.percent, **_fields(track))


def _named(track: Track, text: Text) -> Text:
    return Text.assemble((f"{track.step.key:<22}", "dim"), text)


def _log(message: Message) -> Text:
    text = Text.from_ansi(str(message["text"]))
    level = str(message["level"]).upper()
    return text if level in {"DEBUG", "INFO"} else Text.assemble((f"{level} ", "yellow"), text)


def _state(track: Track) -> Text:
    return Text(track.status, style=_STYLES.get(track.status, ""))


def _fields(track: Track) -> dict[str, Any]:
    return {"state": _state(track).markup, "caption": track.caption}


def _table(tracks: Iterable[Track]) -> Table:
    table = Table(
        Column("Task", no_wrap=True),
        Column("State", no_wrap=True),
        Column("Attempts", justify="right"),
        Column("Time", justify="right", no_wrap=True),
        Column("Result", overflow="fold"),
        box=SIMPLE,
        pad_edge=False,
    )
    for track in tracks:
        elapsed = f"{track.elapsed.total_seconds():.1f} s" if track.elapsed else ""
        table.add_row(track.step.key, _state(track), str(track.attempts), elapsed, _verdict(track))
    return table


def _verdict(track: Track) -> Text:
    """The result, after a word on the end if that was unexpected, or bad but expected."""
    if not track.as_expected:
        return Text.assemble((f"should be {track.step.expected}: ", "bold red"), track.result)
    if track.step.expected != "COMPLETED":
        return Text.assemble(("as planned: ", "dim"), track.result)
    return Text(track.result)

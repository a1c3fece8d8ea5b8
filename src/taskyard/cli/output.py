"""What commands print: tables and details for people, JSON for programs; plain in a pipe and with NO_COLOR."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from taskyard.domain.text import printable
from taskyard.settings import Settings
from taskyard.settings.misspelt import misspelt

Json = dict[str, Any]

_WIDE = 100_000
_STYLES = {
    "RUNNING": "cyan",
    "RETRYING": "yellow",
    "ASSIGNED": "magenta",
    "WAITING": "magenta",
    "COMPLETED": "green",
    "FAILED": "red",
    "CANCELED": "red",
    "ok": "green",
    "warning": "yellow",
    "wrong": "bold red",
}


@cache
def out() -> Console:
    """Where results go. In a pipe lines are as long as they are."""
    return _console(stderr=False)


@cache
def err() -> Console:
    """Where progress, logs and hints go."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else _WIDE, highlight=False, emoji=False, markup=False)


def print_json(value: Any) -> None:
    """One JSON document, indented."""
    _write(_json(value, indent=2))


def print_json_line(value: Any) -> None:
    """One JSON document on one line."""
    _write(_json(value))


def print_line(text: str) -> None:
    """A line on stdout, at once, as it is but for control characters."""
    _write(printable(text))


def print_tasks(tasks: Iterable[Json], *, empty: str) -> None:
    """A table of tasks."""
    print_table(
        ["id", "task", "status", "progress", "attempt", "created", "took", "error"],
        [
            (
                task["taskId"],
                task["taskDefinitionId"],
                styled(task["status"]),
                _percent(task["progress"]),
                task["attempt"] or "",
                local_time(task["createdAt"]),
                duration(task["executionTime"]),
                error_line(task["error"]),
            )
            for task in tasks
        ],
        empty=empty,
    )


def print_task_line(task: Json, *, as_json: bool) -> None:
    """What became of a task: all of it as JSON, or its state in a line."""
    if as_json:
        print_json(task)
    else:
        print_line(f"{task['taskId']} {task['taskDefinitionId']} is {task['status']}")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str = "nothing") -> None:
    """A table for people; `empty` is said, on stderr, where there are no rows."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    if not table.row_count:
        hint(empty)
        return
    _print(table)


def print_details(rows: Iterable[tuple[str, Any]]) -> None:
    """Names and values, a line each; those without a value are left out."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        if value not in (None, "", [], (), {}):
            table.add_row(name, _cell(value))
    _print(table)


def hint(text: str) -> None:
    """A line on stderr beside the result."""
    err().print(Text(printable(text), style="dim"))


def hint_at_misspelt(settings: Settings) -> None:
    """A line for the variables of the environment that were meant as settings, where there are any."""
    found = misspelt(settings)
    if found:
        hint(f"{'; '.join(found)}; see `taskyard settings`")


def styled(state: str) -> Text:
    """A state in its colour."""
    return Text(state, style=_STYLES.get(state, ""))


def local_time(text: str | None) -> str:
    """A time of the contract (ISO-8601, UTC) in the local zone; the time alone when it is of today."""
    if not text:
        return ""
    when = datetime.fromisoformat(text).astimezone()
    today = datetime.now(when.tzinfo).date()
    return f"{when:%H:%M:%S}" if when.date() == today else f"{when:%Y-%m-%d %H:%M}"


def duration(milliseconds: float | None) -> str:
    """A span for people, such as `420 ms`, `3.2 s` or `5 min 2 s`."""
    if milliseconds is None:
        return ""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def progress_line(progress: Mapping[str, Any] | None) -> str:
    """How far a task is, such as `copying pages 30 of 120 (25 %)`."""
    if not progress:
        return ""
    total = f" of {progress['total']:.12g}" if progress.get("total") else ""
    percent = f" ({progress['percent']:.0f} %)" if progress.get("percent") is not None else ""
    return f"{progress.get('action') or ''} {progress.get('current', 0):.12g}{total}{percent}".strip()


def error_line(error: Mapping[str, Any] | None) -> str:
    """A task's error in one line."""
    return f"{error.get('code')}: {error.get('message')}" if error else ""


def _print(table: Table) -> None:
    """The table; in a pipe without the blanks that fill its lines."""
    console = out()
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    _write("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _json(value: Any, indent: int | None = None) -> str:
    """JSON as it is; what a terminal would obey is written as escapes."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return text if printable(text) == text else json.dumps(value, indent=indent)


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _cell(value: Any) -> Text:
    if isinstance(value, Text):
        return value
    if value is None:
        return Text()
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    return Text.from_ansi(printable(text))


def _percent(progress: Mapping[str, Any] | None) -> str:
    percent = progress.get("percent") if progress else None
    return "" if percent is None else f"{percent:.0f} %"

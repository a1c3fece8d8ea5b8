"""Figures as a table in bench/results, with the machine and its load beside them."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

Figure = tuple[str, float, str]
"""What was measured, how much, and of what."""

RESULTS = Path(__file__).with_name("results")


def load() -> str:
    """The processes that want a core, as the last minute's average."""
    return f"{os.getloadavg()[0]:.1f}"


def write(name: str, title: str, command: str, load_before: str, found: Sequence[Figure]) -> None:
    """Write `results/NAME.md`, and print its table."""
    lines = [f"| {what} | {value:,.1f} | {unit} |" for what, value, unit in found]
    machine = f"on SQLite, Python {platform.python_version()}, {os.cpu_count()} cores for all, what it starts too"
    said = f"`{command}`, {datetime.now(UTC):%Y-%m-%d}; {machine}; load before it {load_before}, after it {load()}."
    table = "\n".join(["| | | |", "| --- | ---: | --- |", *lines])
    (RESULTS / f"{name}.md").write_text(f"# {title}\n\n{said}\n\n{table}\n")
    print(table)

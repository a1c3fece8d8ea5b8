"""`python -m bench.beside`: the table of bench/results/beside-others.md, from the measurements in `peers.jsonl`."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.plots import NAMES

RESULTS = Path(__file__).with_name("results")

Row = dict[str, Any]

COLUMNS: dict[str, tuple[Callable[[Row], bool], Callable[[Row], float], str]] = {
    "enqueue, one caller, /s": (lambda r: r["w"] == "enqueue1", lambda r: r["per_s"], "{:,.0f}"),
    "from 50 callers, /s": (
        lambda r: r["w"] == "callers" and r["callers"] == 50,
        lambda r: r["per_s"],
        "{:,.0f}",
    ),
    "enqueue, 1,000 a call, /s": (lambda r: r["w"] == "enqueue_bulk", lambda r: r["per_s"], "{:,.0f}"),
    "drain, /s": (lambda r: r["w"] == "drain", lambda r: r["per_s"], "{:,.0f}"),
    "drain beside pgbench": (
        lambda r: r["w"] == "drain" and "sqlite" not in r["peer"],
        lambda r: r["per_s"] / r["gauge"],
        "{:.2f}",
    ),
    "p50 at 100/s, ms": (lambda r: r["w"] == "latency", lambda r: r["p50"], "{:,.1f}"),
    "p99, ms": (lambda r: r["w"] == "latency", lambda r: r["p99"], "{:,.1f}"),
}


def table(rows: list[Row]) -> str:
    """Median, and the range behind it, of each figure of each system; then the load they were measured under."""
    lines = ["| system | " + " | ".join(COLUMNS) + " | load |", "| --- |" + " ---: |" * (len(COLUMNS) + 1)]
    for peer, name in NAMES.items():
        mine = [row for row in rows if row["peer"] == peer]
        loads = [row["load"] for row in mine if row["w"] != "gauge"]
        if mine:
            cells = [_cell([value(row) for row in mine if takes(row)], text) for takes, value, text in COLUMNS.values()]
            lines.append(f"| {name} | " + " | ".join([*cells, f"{min(loads):.0f} to {max(loads):.0f}"]) + " |")
    return "\n".join(lines)


def gauged(rows: list[Row]) -> list[Row]:
    """The rows, each with what pgbench made of claims and completions of 100 just before (the harness's `gauge`)."""
    gauges: dict[str, float] = {}
    found = []
    for row in rows:
        if row["w"] == "gauge":
            gauges[row["peer"]] = row["pg_claim_complete_100"]
        found.append({**row, "gauge": gauges.get(row["peer"])})
    return found


def _cell(values: list[float], text: str) -> str:
    if not values:
        return ""
    middle, low, high = (text.format(value) for value in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({low} to {high})"


if __name__ == "__main__":
    print(table(gauged([json.loads(line) for line in (RESULTS / "peers.jsonl").read_text().splitlines() if line])))

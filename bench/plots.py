"""The plots of bench/results, drawn from the measurements beside others (`peers.jsonl`: a JSON object a line)."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

_OURS, _OTHERS, _INK = "#2f6fed", "#b9c0cc", "#3b4252"
NAMES = {
    "ours": "Taskyard, PostgreSQL", "ours-sqlite": "Taskyard, SQLite", "pgqueuer": "PgQueuer", "awa": "awa",
    "procrastinate": "Procrastinate", "dbos-pg": "DBOS", "huey-sqlite": "Huey, SQLite",
}  # fmt: skip

Row = dict[str, Any]


class Plot(NamedTuple):
    """One plot: its file, what it shows, which rows it takes, and each row's value."""

    file: str
    title: str
    takes: Callable[[Row], bool]
    value: Callable[[Row], float]
    text: str


PLOTS = [
    Plot("drain.svg", "tasks run a second", lambda r: r["w"] == "drain", lambda r: r["per_s"], "{:,.0f}"),
    Plot("bulk.svg", "tasks enqueued a second, 1,000 a call", lambda r: r["w"] == "enqueue_bulk",
         lambda r: r["per_s"], "{:,.0f}"),
    Plot("latency.svg", "due to running at 100/s, median, ms", lambda r: r["w"] == "latency" and r["rate"] == 100,
         lambda r: r["p50"], "{:,.1f}"),
    Plot("backlog.svg", "drain rate with 200,000 queued, as a share of that with 5,000", lambda r: r["w"] == "backlog",
         lambda r: r["ratio"], "{:.2f}"),
    Plot("recovery.svg", "seconds until the tasks of a killed worker run again", lambda r: r["w"] == "crash",
         lambda r: r["rerun_last_s"], "{:,.0f}"),
]  # fmt: skip


def draw_all(results: Path) -> None:
    """Draw what there are measurements for, beside them."""
    rows = [json.loads(line) for line in (results / "peers.jsonl").read_text().splitlines() if line]
    for plot in PLOTS:
        values = defaultdict(list)
        for row in rows:
            if plot.takes(row) and row["peer"] in NAMES and plot.value(row) is not None:
                values[NAMES[row["peer"]]].append(plot.value(row))
        if values:
            _draw(results / plot.file, plot, values)


def _draw(file: Path, plot: Plot, values: dict[str, list[float]]) -> None:
    """Bars of medians, the range as a line."""
    names = sorted(values, key=lambda name: statistics.median(values[name]))
    middles = [statistics.median(values[name]) for name in names]
    ranges = [[m - min(values[n]), max(values[n]) - m] for n, m in zip(names, middles, strict=True)]
    with plt.rc_context({"svg.hashsalt": "taskyard", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure, axes = plt.subplots(figsize=(7.2, 0.8 + 0.42 * len(names)))
        colours = [_OURS if name.startswith("Taskyard") else _OTHERS for name in names]
        bars = axes.barh(names, middles, color=colours, xerr=list(zip(*ranges, strict=True)), ecolor=_INK, height=0.62)
        axes.bar_label(bars, [plot.text.format(middle) for middle in middles], padding=6, color=_INK, fontsize=9)
        axes.set_title(plot.title, loc="left", fontsize=11, color=_INK)
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.tick_params(bottom=False, labelbottom=False, left=False, colors=_INK, labelsize=9)
        axes.set_xlim(0, max(max(values[name]) for name in names) * 1.18)
        figure.savefig(file, bbox_inches="tight", metadata={"Date": None})
        plt.close(figure)

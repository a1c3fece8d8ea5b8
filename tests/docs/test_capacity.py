"""The capacity model of the docs: held against its simulation, and its tables printed by what is in the repository."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.capacity import SIZES, Costs, Machines, deviation, throughput

PAGE = Path(__file__).parents[2] / "docs/guide/capacity.md"


@pytest.mark.parametrize("name", SIZES)
def test_the_simulation_agrees_with_the_model(name: str) -> None:
    assert deviation(Costs(), SIZES[name]) < 0.1


@pytest.mark.parametrize(
    "machines", [Machines(cores=4, processes=1), Machines(cores=1, processes=8), Machines(wal_bandwidth=5e6)]
)
def test_it_agrees_wherever_it_is_held_up(machines: Machines) -> None:
    assert deviation(Costs(), machines) < 0.1


def test_yards_add_up() -> None:
    assert throughput(Costs(), Machines(), yards=10) == 10 * throughput(Costs(), Machines())


@pytest.mark.parametrize("name", SIZES)
def test_the_page_shows_what_the_model_says(name: str) -> None:
    assert f"| {name} | {throughput(Costs(), SIZES[name]):,.0f} |" in PAGE.read_text()

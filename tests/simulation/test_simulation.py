"""The real engine over faults, in seeds: `SEED=7 pytest tests/simulation` runs one again, exactly as it was.

Many seeds with a line of progress: `python -m tests.simulation --seeds 5000`.
"""

import os

import pytest

from tests.simulation.plants import PLANTS
from tests.simulation.world import simulate

AGAIN = os.environ.get("SEED")
FEW = [range(first, first + 8) for first in range(0, 80, 8)]
MANY = [range(first, first + 100) for first in range(1000, 6000, 100)]
ENOUGH = 200


def judge(seeds: range) -> None:
    for seed in seeds:
        outcome = simulate(seed)
        assert not outcome.wrong, outcome.told()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seeds", [range(int(AGAIN), int(AGAIN) + 1)] if AGAIN else FEW, ids=str)
def test_whatever_befalls_the_app_it_keeps_its_promises(seeds: range) -> None:
    judge(seeds)


@pytest.mark.real
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seeds", MANY, ids=str)
def test_it_keeps_them_for_long(seeds: range) -> None:
    judge(seeds)


def test_a_seed_gives_the_same_run_again() -> None:
    assert simulate(1).hash == simulate(1).hash != simulate(2).hash


@pytest.mark.real
@pytest.mark.timeout(0)
@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_fault_is_noticed(plant: str) -> None:
    for seed in range(ENOUGH):
        with PLANTS[plant]():
            if simulate(seed).wrong:
                return
    pytest.fail(f"{ENOUGH} seeds did not notice that {plant}")

"""How far tasks that have lost workers are kept apart."""

import pytest

from taskyard.domain.suspicion import ALONE, BESIDE_ITS_LIKE, NONE, suspicion


@pytest.mark.parametrize("crashed", [True, False])
@pytest.mark.parametrize("before", [NONE, BESIDE_ITS_LIKE, ALONE])
def test_who_has_lost_nobody_is_not_suspect(before: int, crashed: bool) -> None:
    assert suspicion(0, before, crashed=crashed) == NONE


def test_a_first_loss_is_held_against_a_task_the_more_when_the_worker_crashed() -> None:
    assert (suspicion(1), suspicion(1, crashed=True)) == (BESIDE_ITS_LIKE, ALONE)


def test_who_has_lost_fewer_goes_first() -> None:
    assert suspicion(1, crashed=True) < suspicion(2, ALONE, crashed=True)


def test_after_the_second_loss_a_task_runs_alone() -> None:
    assert suspicion(2, BESIDE_ITS_LIKE) == ALONE


def test_what_does_not_cost_a_worker_clears_nobody() -> None:
    assert suspicion(1, before=ALONE) == ALONE

"""Tasks that wait for an open circuit, with and without a due date."""

from __future__ import annotations

import pytest

from taskyard.domain.outcome import Failed, Postponed
from taskyard.domain.settlement import while_open

SECOND = 1_000_000
WAITS = Postponed(30.0, "calls fail too often", "http:example.com")


def test_a_task_without_a_due_date_waits_as_long_as_it_takes() -> None:
    assert while_open(WAITS, None, 10**15) == WAITS


@pytest.mark.parametrize(("due", "delay"), [(60, 30.0), (30, 30.0), (5, 5.0)])
def test_it_looks_again_no_later_than_it_is_due(due: int, delay: float) -> None:
    waits = while_open(WAITS, due * SECOND, 0)
    assert waits == Postponed(delay, WAITS.reason, WAITS.circuit)


@pytest.mark.parametrize("now", [5, 6, 600])
def test_one_that_is_due_by_then_has_failed_for_good(now: int) -> None:
    failed = while_open(WAITS, 5 * SECOND, now * SECOND)
    assert isinstance(failed, Failed)
    assert (failed.error.code, failed.error.retryable) == ("CIRCUIT_OPEN", False)
    assert failed.error.message == "calls fail too often, and the task was due meanwhile"
    assert failed.error.details == {"circuit": WAITS.circuit}

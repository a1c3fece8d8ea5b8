# ruff: noqa: D102 - the test's name is the promise
"""The store and the model, through any history that Hypothesis thinks of."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from taskyard.testing.conformance.store.bench import Database
from taskyard.testing.conformance.store.machine import StoreMachine

_FEW = 20
_STEPS = 40


class TestHistories:
    """As many histories as the Hypothesis profile says; a few where it is the default one."""

    def test_each_goes_as_the_model_says(self, new_database: Callable[[], Database]) -> None:
        chosen = settings(deadline=None, suppress_health_check=list(HealthCheck))
        if settings.get_current_profile_name() in ("default", "ci"):
            chosen = settings(chosen, max_examples=_FEW, stateful_step_count=_STEPS)

        class Machine(StoreMachine):
            def __init__(self) -> None:
                super().__init__(new_database)

        run_state_machine_as_test(Machine, settings=chosen)

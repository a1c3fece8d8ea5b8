# ruff: noqa: D102 - the test's name is the promise
"""The store and the model, through any history that Hypothesis thinks of."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from taskyard.testing.conformance.store.bench import Database
from taskyard.testing.conformance.store.machine import StoreMachine

_HISTORIES = 12
_STEPS = 40


def few() -> settings:
    """A few histories, told as they were, since making a failing one short takes minutes."""
    return settings(max_examples=_HISTORIES, stateful_step_count=_STEPS, phases=[Phase.reuse, Phase.generate])


@pytest.mark.hypothesis
class TestHistories:
    """As many histories as the Hypothesis profile says; a few where none was chosen."""

    def test_each_goes_as_the_model_says(self, new_database: Callable[[], Database]) -> None:
        chosen = few() if settings.get_current_profile_name() in ("default", "ci") else settings()

        class Machine(StoreMachine):
            def __init__(self) -> None:
                super().__init__(new_database)

        relaxed = settings(chosen, deadline=None, suppress_health_check=list(HealthCheck))
        run_state_machine_as_test(Machine, settings=relaxed)

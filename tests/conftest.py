"""Fixtures for every test, and how many examples properties are tried with.

HYPOTHESIS_PROFILE or `--hypothesis-profile` chooses a profile; `make real` takes the long one.
"""

import os
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
import structlog
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.servers.fixtures", "tests.ui.fixtures"]

# How long an example takes is the machine's affair. By default the examples are the same each time, so that nothing
# fails but by a change; the long profile looks for others.
settings.register_profile(
    "default",
    settings.get_profile("default"),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("long", max_examples=500, stateful_step_count=60, deadline=None)
if "HYPOTHESIS_PROFILE" in os.environ:
    settings.load_profile(os.environ["HYPOTHESIS_PROFILE"])


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """What a command has set up for itself in one test must not keep `capture_logs` of another from hearing."""
    configure = structlog.configure

    def uncached(**given: Any) -> None:
        configure(**given | {"cache_logger_on_first_use": False})

    before = structlog.get_config()
    with mock.patch.object(structlog, "configure", uncached):
        yield
    configure(**before)

"""The suite that every store must pass.

An implementer's test module names how to make an empty database, and has the tests by importing them:

    from taskyard.testing.conformance.store import *

    @pytest.fixture
    def new_database(tmp_path):
        numbers = itertools.count()
        return lambda: functools.partial(MyStore, tmp_path / str(next(numbers)))

A database is what makes any number of stores, given a clock, that share their tasks. For one that no two stores can
share, import from `taskyard.testing.conformance.store.alone`. `TestMigrations` wants a fixture `bare_database`, the
`Address` of one that was never migrated; `TestCarrying` wants `begin`: see there.
"""

from taskyard.testing.conformance.store.alone import *  # noqa: F403 - what its `__all__` says
from taskyard.testing.conformance.store.alone import __all__ as _alone
from taskyard.testing.conformance.store.gating import TestClaimersAtGates
from taskyard.testing.conformance.store.scheduling import TestScheduleWriters
from taskyard.testing.conformance.store.sharing import TestClaimers, TestCrash, TestMigrations
from taskyard.testing.conformance.store.submission import TestCarrying

__all__ = [
    *_alone,
    "TestCarrying",
    "TestClaimers",
    "TestClaimersAtGates",
    "TestCrash",
    "TestMigrations",
    "TestScheduleWriters",
]

"""A place as the suite sees it: a target, and programs that run there."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

import pytest_asyncio

from taskyard.contracts.target import Call, Target
from taskyard.domain.json import dumps
from taskyard.domain.resources import Resources

OUTPUT_BYTES = 100_000
"""What a call of the suite may say."""

_ids = itertools.count(1)


class Place(Protocol):
    """A target at work. `can` names what the place is able to do beyond running: `speak`, say lines and progress while
    it runs; `cancel`, end what runs when nobody waits for it any more; `token`, hand the call's token on.
    """

    target: Target
    can: frozenset[str]

    def program(self, name: str) -> Mapping[str, Any]:
        """The implementation of a program, which is one of these.

        `echo` returns its input. `token` returns the call's token. `speak` says the line `hello` at level warning,
        tells the progress 1 of 2 (`half`), and returns `said`. `fail` fails with the message `it broke`, after it has
        said the line `before` where it can. `wait` runs for a minute. `large` returns a text of 200,000 characters.
        `garbage` returns what is no JSON.
        """
        ...

    async def running(self) -> int:
        """How many programs run there now."""
        ...


class Heard:
    """An observer that keeps what it hears."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.advances: list[tuple[float, float | None, str | None]] = []
        self.tiers: list[str] = []

    def log(self, level: str, text: str) -> None:
        """See the contract."""
        self.lines.append((level, text))

    def progress(self, current: float, total: float | None, action: str | None) -> None:
        """See the contract."""
        self.advances.append((current, total, action))

    def placed(self, tier: str, lock: str = "") -> None:
        """See the contract."""
        self.tiers.append(tier)


def call_of(implementation: Mapping[str, Any], input_: Any = None, timeout: float = 30.0, **more: Any) -> Call:
    """A call of one more task."""
    number = next(_ids)
    call = Call(
        task_id=str(1_000_000 + number), attempt=1, token=f"taskyard-{1_000_000 + number}", definition="program",
        version="0123456789ab", implementation=implementation, input=dumps(input_), timeout=timeout,
        resources=Resources(output_bytes=OUTPUT_BYTES),
    )  # fmt: skip
    return call._replace(**more)


@pytest_asyncio.fixture
async def target(place: Place) -> AsyncIterator[Target]:
    """The place's target, started."""
    await place.target.start()
    yield place.target
    await place.target.stop()

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from taskyard.security.egress.client import Egress
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.rules import Rules

MakeEgress = Callable[..., Egress]


class Names:
    """A name server of the test's: each name has a list of answers, the last of which stays."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        del port
        self.asked.append(host)
        known = self.answers.get(host.partition(".")[0])
        if known is None:
            raise OSError("no such name")
        return known.pop(0) if len(known) > 1 else known[0]


@pytest.fixture
async def make_egress() -> AsyncIterator[MakeEgress]:
    made: list[Egress] = []

    def make(allow: list[str] | None = None, names: Names | None = None, **options: Any) -> Egress:
        made.append(Egress(Guard(Rules.parse(allow or []), names), **options))
        return made[-1]

    yield make
    for egress in made:
        await egress.aclose()

"""What an executor of scripts knows of its targets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.support import eventually

from taskyard.contracts.target import Standing
from taskyard.domain.resources import Resources
from taskyard.engine.define import parse_definition
from taskyard.executors.script.executor import ScriptExecutor

HERE = parse_definition({"key": "there", "implementation": {"kind": "kubernetes", "image": "x"}})


class Away:
    """A target that is away until it is told otherwise."""

    name = "kubernetes"
    kinds = frozenset({"kubernetes"})

    def __init__(self) -> None:
        self.asked = 0
        self.answers: list[Any] = [OSError("away"), [Standing("kubernetes", "", "away", "mend it")]]

    async def standings(self) -> list[Standing]:
        self.asked += 1
        answer = self.answers.pop(0) if self.answers else [Standing("kubernetes", self.name)]
        if isinstance(answer, OSError):
            raise answer
        return list(answer)

    async def stop(self) -> None:
        """Nothing is its own."""


@pytest.fixture
async def target() -> Away:
    return Away()


@pytest.fixture
async def executor(target: Away) -> AsyncIterator[ScriptExecutor]:
    made = ScriptExecutor([target], Resources(), None, None, None)  # type: ignore[list-item, arg-type]  # only asked
    yield made
    await made.stop()


async def test_a_target_that_lacks_something_is_asked_again_after_a_while(
    executor: ScriptExecutor, target: Away
) -> None:
    for times in (1, 2):
        for _ in range(3):
            assert executor.can_run(HERE)
        await eventually(lambda times=times: target.asked == times and executor._asking["kubernetes"].done())
        assert executor.can_run(HERE)
        assert (target.asked, executor.tiers()) == (times, [])
        executor._ask_again["kubernetes"] = 0.0  # the while is over
    assert executor.can_run(HERE)
    await eventually(lambda: executor.tiers() == ["kubernetes:kubernetes"])
    executor._ask_again["kubernetes"] = 0.0
    assert executor.can_run(HERE)
    assert target.asked == 3

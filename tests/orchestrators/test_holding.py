"""Work of another orchestrator is done by one task, however long that takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from taskyard.contracts.records import Filter
from taskyard.engine.assign import complete_open
from taskyard.engine.define import define, parse_definition
from taskyard.engine.engine import Engine
from taskyard.engine.query import list_tasks
from taskyard.orchestrators import bridge, holding
from taskyard.orchestrators.holding import TRIES, Holding, Unfit, Work
from taskyard.security.caller import LOCAL
from taskyard.testing import yard_for_test
from tests.promises.fixtures_b import new_yard

DAY = 86_400.0
CHECK = {"key": "check", "implementation": {"kind": "manual"}}


class Plain(Holding):
    """The variables are the input."""

    def __init__(self, engine: Engine) -> None:
        super().__init__("plain", engine, 60.0)

    def read(self, work: Work) -> dict[str, Any]:
        return dict(work.variables)


class Unheld(Plain):
    """Cannot hold for longer what is held for no time at all; `told` is what it was told."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._hold_seconds = 0.0
        self.told: list[Any] = []

    async def hold(self, work: Work) -> None:
        raise Unfit("no")

    async def complete(self, work: Work, output: Any) -> None:
        self.told.append(output)

    async def fail(self, work: Work, message: str, trace: str, left: int) -> None:
        self.told.append(message)


async def test_whoever_is_given_it_again_after_days_finds_the_same_task(tmp_path: Path) -> None:
    async with yard_for_test(new_yard(tmp_path)) as world:
        engine = world.yard.engine
        await define(engine, [parse_definition(CHECK)])
        first, second = Plain(engine), Plain(engine)
        await first.take(Work("w1", "check", {"a": 1}, retries=3))
        await world.advance(2 * DAY)
        await second.take(Work("w1", "check", {"a": 2}, retries=3))
        assert second.open["w1"].task_id == first.open["w1"].task_id
        await second.take(Work("w1", "check", {"a": 2}, retries=2))
        assert len((await list_tasks(engine, Filter(), 9, None)).items) == 2


async def test_what_its_components_do_not_ask_for_is_left_out(tmp_path: Path) -> None:
    components = [{"componentId": "c", "fields": [{"fieldKey": "a", "type": "number"}]}]
    async with yard_for_test(new_yard(tmp_path)) as world:
        engine = world.yard.engine
        spec = {"kind": "external", "topic": "check"}
        await define(engine, [parse_definition({"key": "check", "implementation": spec, "uiComponents": components})])
        await Plain(engine).take(Work("w1", "check", {"a": 1, "b": 2}, retries=3))
        (task,) = (await list_tasks(engine, Filter(), 9, None)).items
        assert task.input == {"a": 1}


async def test_who_may_not_hold_it_for_longer_tells_its_result_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(bridge, "PAUSES", (0.0,))
    async with yard_for_test(new_yard(tmp_path)) as world:
        engine = world.yard.engine
        await define(engine, [parse_definition(CHECK)])
        bridged = Unheld(engine)
        await bridged.take(Work("w1", "check", {}))
        while bridged.open["w1"].failures <= TRIES:
            await bridged.tend()
        await complete_open(engine, LOCAL, bridged.open["w1"].task_id, {"ok": True})
        while bridged.open:
            await bridged.tend()
        assert bridged.told == [{"ok": True}]
        await bridged.stop()

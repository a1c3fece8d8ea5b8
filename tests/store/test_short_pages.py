"""However few steps a page may take, all pages together have what one page would have: each thing once, in order."""

from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

import pytest

from taskyard.contracts.records import Filter, Opened
from taskyard.contracts.store import Store
from taskyard.domain.definition import Definition
from taskyard.domain.lifecycle import Outcome, State
from taskyard.domain.queue import TaskType
from taskyard.store.postgres import PostgresStore
from taskyard.store.postgres import finding as postgres_finding
from taskyard.store.sqlite import SqliteStore
from taskyard.store.sqlite import finding as sqlite_finding
from taskyard.testing.clock import ManualClock
from taskyard.testing.conformance.store.bench import SECOND, Bench

MANY = 1000


@pytest.fixture(params=["postgresql", "sqlite"])
async def found(request: pytest.FixtureRequest, migrated_dsn: str) -> AsyncIterator[tuple[Bench, ModuleType]]:
    clock = ManualClock()
    store: Store
    module: ModuleType
    if request.param == "sqlite":
        store, module = SqliteStore(":memory:", clock), sqlite_finding
    else:
        store, module = PostgresStore(migrated_dsn, clock), postgres_finding
    await store.open()
    yield await Bench.on(store, clock), module
    await store.close()


async def fill(bench: Bench) -> dict[str, Any]:
    """Tasks of two kinds, some of a workflow, with every end, that started together or one after the other."""
    (other,) = await bench.store.save_kinds([Definition(key="other", task_type=TaskType.MANUAL)])
    begin = bench.clock.now()
    for number in range(4):
        bench.clock.move(1)
        kinds = (bench.kind.id, other.id)
        for kind_id in kinds:
            await bench.put(4, kind_id=kind_id, workflow_id="w" if number % 2 else None, tags=("t",) if number else ())
        bench.clock.move(1)
        for place, held in enumerate(await bench.take(6)):
            outcome = (Outcome.COMPLETED, Outcome.FAILED, Outcome.CANCELED, Outcome.ASSIGNED, Outcome.COMPLETED)
            if place < 5:
                await bench.settle(held, outcome[place], opened=Opened("USER", "ada"))
    return {"other": other.id, "begin": begin, "end": bench.clock.now()}


def filters(there: dict[str, Any]) -> list[Filter]:
    """Alone and together, and such as nothing fits."""
    middle = (there["begin"] + there["end"]) // 2
    return [
        Filter(),
        *(Filter(status=frozenset({state})) for state in State),
        Filter(status=frozenset({State.PENDING, State.COMPLETED})),
        Filter(status=frozenset({State.COMPLETED}), kind_ids=(there["other"],)),
        Filter(status=frozenset({State.PENDING}), workflow_id="w"),
        Filter(status=frozenset({State.WAITING}), workflow_id="w", kind_ids=(there["other"],)),
        Filter(workflow_id="w", tag="t", created_after=middle),
        Filter(task_types=frozenset({TaskType.MANUAL}), tag="t"),
        Filter(assignee="ada", kind_ids=(there["other"],)),
        Filter(started_after=middle),
        Filter(started_before=middle, status=frozenset({State.FAILED})),
        Filter(started_after=middle, created_before=middle - SECOND),
        Filter(correlation_prefix="none", title_kind_ids=(there["other"],)),
    ]


async def pages(find: Any, wanted: Filter, limit: int) -> list[int]:
    """The ids of all pages."""
    ids: list[int] = []
    after: int | None = None
    for _ in range(MANY):
        page = await find(wanted, limit, after)
        assert len(page.ids) <= limit
        ids += page.ids
        if page.next is None:
            return ids
        after = page.next
    raise AssertionError("the pages have no end")


@pytest.mark.parametrize("steps", [1, 2, 5])
async def test_short_pages_have_what_a_long_one_has(
    found: tuple[Bench, ModuleType], monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    bench, module = found
    wanted = filters(await fill(bench))
    for find in (bench.store.find, bench.store.find_started):
        whole = [await pages(find, one, MANY) for one in wanted]
        assert len(whole[0]) > 20
        with monkeypatch.context() as patch:
            patch.setattr(module, "_STEPS", steps)
            for limit in (1, 3, MANY):
                assert [await pages(find, one, limit) for one in wanted] == whole

# ruff: noqa: D102, S101 - the tests' names are the promises
"""What people have to do, as they look for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from taskyard.contracts.inbox import InboxFilter
from taskyard.contracts.records import Opened, Settlement
from taskyard.domain.lifecycle import EventType, Outcome
from taskyard.testing.conformance.store.bench import SECOND, Bench
from taskyard.testing.conformance.store.fixtures import Suite


async def held(bench: Bench, opened: Opened) -> int:
    """A task that is held like this."""
    id_ = await bench.opened(Outcome.ASSIGNED)
    assert await bench.store.change_open(id_, opened, EventType.ASSIGNED, {}, None)
    return id_


async def seen(bench: Bench, limit: int = 50, **wanted: Any) -> list[int]:
    """The ids in ann's inbox, read page by page."""
    ids: list[int] = []
    after = None
    while rows := await bench.store.inbox(InboxFilter("ann", ("ops", "hr"), **wanted), limit, after):
        assert len(rows) <= limit
        ids += [row.task_id for row in rows]
        after = rows[-1]
    return ids


class TestInbox(Suite):
    """`inbox`, `inbox_counts` and `worked`."""

    async def test_each_view_has_what_belongs_there(self, bench: Bench) -> None:
        own = await held(bench, Opened("USER", "ann"))
        claimed = await held(bench, Opened("GROUP", "ops", "ann"))
        free = await held(bench, Opened("GROUP", "hr", due_at=5))
        taken = await held(bench, Opened("GROUP", "ops", "bob"))
        for foreign in (Opened("USER", "ops"), Opened("GROUP", "ann"), Opened("GROUP", "it"), Opened()):
            await held(bench, foreign)
        await bench.opened(Outcome.WAITING)
        views = {
            "mine": {own, claimed}, "claimed": {claimed}, "groups": {claimed, free, taken}, "unclaimed": {free},
            "open": {own, claimed, free},
        }  # fmt: skip
        for view, expected in views.items():
            found = await seen(bench, view=view)
            assert (set(found), len(found)) == (expected, len(expected)), view
        counts = await bench.store.inbox_counts("ann", ["ops", "hr"], 6)
        assert counts == {view: len(expected) for view, expected in views.items()} | {"overdue": 1}

    @pytest.mark.parametrize("limit", [1, 2, 50])
    async def test_sorted_and_paged(self, bench: Bench, limit: int) -> None:
        first = await held(bench, Opened("USER", "ann", due_at=9 * SECOND, urgency=1))
        second = await held(bench, Opened("GROUP", "ops", urgency=4))
        third = await held(bench, Opened("GROUP", "hr", due_at=3 * SECOND))
        fourth = await held(bench, Opened("GROUP", "ops", "ann", due_at=9 * SECOND))
        assert await seen(bench, limit, sort="age") == [first, second, third, fourth]
        assert await seen(bench, limit, sort="due") == [third, first, fourth, second]
        assert await seen(bench, limit, sort="priority") == [second, third, fourth, first]

    async def test_filtered(self, bench: Bench) -> None:
        late = await held(bench, Opened("USER", "ann", due_at=3))
        free = await held(bench, Opened("GROUP", "ops", due_at=7))
        assert await seen(bench, due_before=5) == [late]
        assert await seen(bench, kind_ids=(bench.kind.id,)) == [late, free]
        assert await seen(bench, kind_ids=()) == []
        assert await seen(bench, workflow_id="none") == []
        assert await seen(bench, text="no such text") == []
        assert await seen(bench, text="no such text", text_kind_ids=(bench.kind.id,)) == [late, free]
        assert await seen(bench, due_after=5) == [free]
        assert await seen(bench, group="ops") == [free]
        assert await seen(bench, group="hr") == await seen(bench, urgencies=(4,)) == []
        assert await seen(bench, urgencies=(2, 4)) == [late, free]

    async def test_filtered_by_what_the_input_has(self, bench: Bench) -> None:
        inputs = (b'{"a":{"b-1":"x"},"n":7,"ok":true}', b'{"a":{"b-1":"y"},"n":7.5,"ok":false,"z":null}', b"[7]")
        one, two, _ = [await bench.opened(opened=Opened("USER", "ann"), input=each) for each in inputs]
        found = {
            (("a", "b-1"), "x"): [one], (("n",), "7"): [one], (("n",), "7.5"): [two], (("ok",), "true"): [one],
            (("ok",), "false"): [two], (("z",), "null"): [], (("none", "a"), "x"): [],
        }  # fmt: skip
        for wanted, expected in found.items():
            assert await seen(bench, fields=(wanted,)) == expected, wanted
        assert await seen(bench, fields=((("n",), "7"), (("ok",), "false"))) == []

    async def test_numbers_are_found_by_their_value_and_nothing_but_scalars(self, bench: Bench) -> None:
        inputs = (
            b'{"n":1000.0}', b'{"n":1e3}', b'{"n":"1e3"}', b'{"n":9007199254740993}', b'{"n":-0.0}', b'{"n":1e300}',
            b'{"n":0.1}', b'{"n":{"a":1}}', b'{"n":[[1]]}', b'{"n":true}', b'{"n":"true"}', b'{"n":null}', b'{"n":[]}',
        )  # fmt: skip
        float_, short, text, long, zero, large, part, *_, true, spelled, _, _ = [
            await bench.opened(opened=Opened("USER", "ann"), input=each) for each in inputs
        ]
        found = {
            "1000": [float_, short], "1e3": [float_, short, text], "1000.00": [float_, short], "+1000": [],
            "9007199254740993": [long], "9007199254740992": [], "9007199254740993.0": [long], "0": [zero],
            "-0": [zero], "1" + "0" * 300: [large], "1E+300": [large], "0.1": [part], "1e-1": [part], "1e999": [],
            "1e9999999": [], "01000": [], "NaN": [], "Infinity": [], "": [], '{"a": 1}': [], '{"a":1}': [],
            "[1]": [], "1": [], "true": [true, spelled], "True": [], "null": [], "[]": [], "9" * 400: [],
        }  # fmt: skip
        for wanted, expected in found.items():
            assert await seen(bench, fields=((("n",), wanted),)) == expected, wanted

    async def test_a_text_with_a_nul_hinders_no_filter(self, bench: Bench) -> None:
        inputs = (b'{"a":"x","b":"\\u0000"}', b'{"a":"\\\\u0000"}')
        one, two = [await bench.opened(opened=Opened("USER", "ann"), input=each) for each in inputs]
        assert await seen(bench, fields=((("a",), "x"),)) == [one]
        assert await seen(bench, fields=((("a",), "\\u0000"),)) == [two]

    async def test_what_has_candidates_is_seen_by_them_alone(self, bench: Bench) -> None:
        plain = await held(bench, Opened("GROUP", "ops", sheet=b'{"draft":{"candidates":["USER bob","\\u0000"]}}'))
        sheets = [b'{"draft":"\\u0000","candidates":["%b"]}' % name for name in (b"USER ann", b"GROUP hr", b"USER bob")]
        one, two, hidden = [await held(bench, Opened("GROUP", "ops", sheet=each)) for each in sheets]
        await held(bench, Opened("GROUP", "ops", "cyd", sheet=sheets[2]))
        for view in ("open", "groups", "unclaimed"):
            assert await seen(bench, view=view) == [plain, one, two], view
        counts = await bench.store.inbox_counts("ann", ["ops", "hr"], 0)
        assert [counts[view] for view in ("open", "groups", "unclaimed", "overdue")] == [3, 3, 3, 0]
        assert await bench.store.change_open(
            hidden, Opened("GROUP", "ops", "ann", sheet=sheets[2]), EventType.CLAIMED, {}, None
        )
        assert hidden in await seen(bench)  # what one has, one sees
        assert await bench.store.change_open(hidden, Opened("GROUP", "ops"), EventType.RELEASED, {}, None)
        assert hidden in await seen(bench)

    async def test_filtered_by_what_stands_in_arrays(self, bench: Bench) -> None:
        inputs = (
            b'{"items":[{"sku":7,"tags":["new","red"]},{"sku":"x"}],"0":"key"}',
            b'{"items":{"sku":7},"tags":["red"],"deep":[[1],[2]]}',
        )
        one, two = [await bench.opened(opened=Opened("USER", "ann"), input=each) for each in inputs]
        found = {
            (("items", "sku"), "7"): [one, two], (("items", "sku"), "x"): [one], (("items", "tags"), "red"): [one],
            (("items", "0", "sku"), "7"): [one, two], (("items", "1", "sku"), "7"): [],
            (("items", "1", "sku"), "x"): [one], (("tags",), "red"): [two], (("tags", "0"), "red"): [two],
            (("tags", "1"), "red"): [], (("0",), "key"): [one], (("deep", "1"), "2"): [two],
            (("items", "99999999999"), "7"): [], (('"', "$"), "7"): [],
        }  # fmt: skip
        for wanted, expected in found.items():
            assert await seen(bench, fields=(wanted,)) == expected, wanted

    async def test_a_long_path_of_digits_is_looked_for_at_once(self, bench: Bench) -> None:
        one = await bench.opened(opened=Opened("USER", "ann"), input=b'{"0":{"0":"deep"}}')
        assert await seen(bench, fields=((("0", "0"), "deep"),)) == [one]
        async with asyncio.timeout(20):
            assert await seen(bench, fields=((("0",) * 40, "deep"),)) == []

    async def test_texts_are_found_in_any_case_and_script(self, bench: Bench) -> None:
        inputs = ('{"name":"ÄRGER Ölfaß"}', '{"said":"a \\"quoted\\" ΣΊΣΥΦΟΣ"}', '{"path":"c:\\\\x"}')
        ids = [await bench.opened(opened=Opened("USER", "ann"), input=each.encode()) for each in inputs]
        found = {
            "ärger": ids[:1],
            "ÖLFASS": [],
            "ölfaß": ids[:1],
            '"QUOTED"': ids[1:2],
            "σίσυ": ids[1:2],
            "C:\\X": ids[2:],
        }
        for text, expected in found.items():
            assert await seen(bench, text=text) == expected, text

    async def test_who_is_in_no_group_has_only_their_own(self, bench: Bench) -> None:
        own = await held(bench, Opened("USER", "bob"))
        await held(bench, Opened("GROUP", "ops"))
        assert [row.task_id for row in await bench.store.inbox(InboxFilter("bob"), 9, None)] == [own]
        assert await bench.store.inbox(InboxFilter("bob", view="unclaimed"), 9, None) == []

    async def test_what_has_ended_is_told_of_who_ended_it(self, bench: Bench) -> None:
        ended = []
        for person in ("ann", "bob", "ann"):
            id_ = await bench.opened(Outcome.ASSIGNED)
            bench.clock.move(1)
            await bench.store.settle_open(id_, Settlement(0, 0, 0, Outcome.COMPLETED, by=person), None)
            ended += [id_] if person == "ann" else []
        rows = await bench.store.worked("ann", 1, None)
        rows += await bench.store.worked("ann", 5, rows[-1])
        assert [row.task_id for row in rows] == ended[::-1]
        assert rows[0].key == bench.clock.now()
        assert await bench.store.has_worked("ann", ended[0])
        assert not await bench.store.has_worked("bob", ended[0])
        await bench.store.prune(bench.clock.now() + SECOND)
        assert await bench.store.worked("ann", 5, None) == []

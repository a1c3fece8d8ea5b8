# ruff: noqa: D102, S101 - the tests' names are the promises
"""Webhook subscriptions, client apps, and deliveries."""

from __future__ import annotations

import asyncio
from typing import Any

from taskyard.contracts.store import Store
from taskyard.contracts.webhooks import (
    ClientApp,
    DeliveryChange,
    DeliveryFilter,
    DeliveryRow,
    SubscriptionRow,
    WebhookMark,
    owner_reader,
)
from taskyard.domain.ids import made_at
from taskyard.domain.webhook import ClientAuth, Endpoint, Health, Status
from taskyard.testing.clock import ManualClock
from taskyard.testing.conformance.store.bench import SECOND, Bench
from taskyard.testing.conformance.store.fixtures import Suite

ENDPOINT = Endpoint(url="https://a.example/x", events=["*"], client_auth=ClientAuth("basic", username="ada"))


def subscription(id_: str = "7", **fields: Any) -> SubscriptionRow:
    """A subscription as its owner gave it."""
    given = {"owner": "ada", "created_at": 5, "since": 3, "endpoint": ENDPOINT, "secrets": b"\0s", "health": Health()}
    return SubscriptionRow(id_, **{**given, **fields})


class TestSubscriptions(Suite):
    """`save_subscription` and its company."""

    async def test_one_comes_back_as_it_was(self, store: Store) -> None:
        assert await store.save_subscription(subscription())
        assert await store.subscription("7") == subscription(revision=1)
        assert await store.subscription("8") is None

    async def test_who_read_an_older_one_changes_nothing(self, store: Store) -> None:
        assert await store.save_subscription(subscription())
        assert not await store.save_subscription(subscription(secrets=b"other"))
        assert await store.save_subscription(subscription(revision=1, secrets=b"new"))
        assert not await store.save_subscription(subscription(revision=1, secrets=b"other"))
        assert await store.subscription("7") == subscription(revision=2, secrets=b"new")

    async def test_they_are_listed_by_owner_and_by_id(self, store: Store) -> None:
        for id_, owner in (("1", "ada"), ("3", "ada"), ("2", "bob")):
            await store.save_subscription(subscription(id_, owner=owner))
        assert [row.id for row in await store.subscriptions(None, 9, "")] == ["1", "2", "3"]
        assert [row.id for row in await store.subscriptions(None, 1, "1")] == ["2"]
        assert [row.id for row in await store.subscriptions("ada", 9, "")] == ["1", "3"]
        assert [row.id for row in await store.subscriptions("ada", 9, "1")] == ["3"]

    async def test_health_decides_with_the_owner_who_is_told(self, store: Store) -> None:
        await store.save_subscription(subscription("1"))
        await store.save_subscription(
            subscription("2", endpoint=Endpoint(url="https://a.example", events=["*"], enabled=False))
        )
        assert [row.id for row in await store.enabled_subscriptions()] == ["1"]
        await store.save_health("1", Health(failing_since=5, last_error="x"))
        assert (await store.enabled_subscriptions())[0].health == Health(failing_since=5, last_error="x")
        await store.save_health("1", Health(disabled_at=9, disabled_reason="gone"))
        assert await store.enabled_subscriptions() == []
        assert [row.id for row in await store.given_up_subscriptions()] == ["1"]
        row = await store.subscription("1")
        assert row is not None
        assert await store.save_subscription(row._replace(health=Health()))
        assert [row.id for row in await store.enabled_subscriptions()] == ["1"]

    async def test_removing_one_ends_the_reader_that_tells_its_owner(self, store: Store) -> None:
        for id_ in ("1", "2"):
            await store.save_subscription(subscription(id_))
            assert await store.move_reader(owner_reader(id_), None, 5)
        await store.remove_subscription("1")
        assert [await store.reader_position(owner_reader(id_)) for id_ in ("1", "2")] == [None, 5]

    async def test_removing_one_ends_what_is_on_its_way(self, store: Store) -> None:
        await store.save_subscription(subscription("1"))
        await store.plan_deliveries([delivery(1, "1"), delivery(2, "1"), delivery(3, "2")], 0, 3)
        assert await store.remove_subscription("1")
        assert not await store.remove_subscription("1")
        rows = await store.deliveries(DeliveryFilter(), 9, None)
        assert [(row.id, row.status, row.next_at is None) for row in rows] == [
            (3, Status.PENDING, False), (2, Status.DEAD, True), (1, Status.DEAD, True),
        ]  # fmt: skip


class TestClientApps(Suite):
    """`save_client_app` and its company."""

    async def test_apps_are_kept_listed_and_removed_with_their_subscriptions(self, store: Store) -> None:
        apps = [ClientApp(f"k{number}", "k", owner, 5, b"s") for number, owner in enumerate(["ada", "bob", "ada"])]
        for app in apps:
            assert await store.save_client_app(app)
        await store.save_subscription(subscription("1", app="k0"))
        await store.save_subscription(subscription("2"))
        assert await store.client_app("k1") == apps[1]
        assert await store.client_app("nobody") is None
        assert await store.client_apps(None, 2, "") == apps[:2]
        assert await store.client_apps("ada", 9, "k0") == apps[2:]
        assert await store.remove_client_app("k0")
        assert not await store.remove_client_app("k0")
        assert [row.id for row in await store.subscriptions(None, 9, "")] == ["2"]

    async def test_a_removed_app_comes_back_by_nothing(self, store: Store) -> None:
        app = ClientApp("k0", "k", "ada", 5, b"s")
        assert await store.save_client_app(app)
        assert await store.save_client_app(app._replace(secret=b"t"), b"s")
        assert not await store.save_client_app(app._replace(secret=b"u"), b"s")
        assert await store.client_app("k0") == app._replace(secret=b"t")
        await store.remove_client_app("k0")
        assert not await store.save_client_app(app, b"t")
        assert await store.client_app("k0") is None
        assert not await store.save_subscription(subscription("1", app="k0"))
        assert await store.subscriptions(None, 9, "") == []

    async def test_who_subscribes_while_it_is_removed_leaves_nothing(self, store: Store) -> None:
        for number in range(8):
            key = f"k{number}"
            await store.save_client_app(ClientApp(key, "k", "ada", 5, b"s"))
            rows = [subscription(f"{number}-{each}", app=key) for each in range(4)]
            await asyncio.gather(*map(store.save_subscription, rows[:2]), store.remove_client_app(key),
                                 *map(store.save_subscription, rows[2:]))  # fmt: skip
        assert await store.subscriptions(None, 99, "") == []


def delivery(id_: int, endpoint: str = "1", task_id: int = 10, **fields: Any) -> DeliveryRow:
    """A delivery to be planned; its position is its id."""
    given = {"owner": "ada", "pos": id_, "event": "task.created", "event_id": f"e{id_}", "body": b"{}"}
    return DeliveryRow(id_, endpoint, task_id=task_id, **{**given, **fields})


async def due(store: Store, *endpoints: str, limit: int = 9) -> list[int]:
    """The ids of what is due to these endpoints."""
    return [row.id for row in await store.due_deliveries([(name, limit) for name in endpoints])]


async def settle(store: Store, id_: int, status: Status, next_at: int | None = None) -> None:
    """One try has come to this."""
    await store.settle_deliveries([DeliveryChange(id_, status, 1, next_at, b"[{}]")])


class TestPlanning(Suite):
    """`webhook_mark`, `want_callbacks` and `plan_deliveries`."""

    async def test_the_mark_moves_with_the_deliveries(self, store: Store) -> None:
        assert await store.webhook_mark() == WebhookMark(0, None)
        assert await store.plan_deliveries([delivery(1)], 0, 5)
        assert not await store.plan_deliveries([delivery(2)], 0, 6)
        assert await store.plan_deliveries([], 5, 9)
        assert (await store.webhook_mark()).pos == 9
        assert [row.id for row in await store.deliveries(DeliveryFilter(), 9, None)] == [1]

    async def test_callbacks_are_wanted_from_where_the_feed_stands(self, bench: Bench) -> None:
        await bench.put(3)
        await bench.sequence()
        await bench.store.want_callbacks()
        since = (await bench.store.webhook_mark()).callbacks_since
        assert since == await bench.store.feed_end() == 3
        await bench.put(1)
        await bench.sequence()
        await bench.store.want_callbacks()
        assert (await bench.store.webhook_mark()).callbacks_since == since

    async def test_each_endpoint_has_one_due_for_each_task(self, store: Store) -> None:
        rows = [delivery(1), delivery(2), delivery(3, task_id=11), delivery(4, "2"), delivery(5)]
        await store.plan_deliveries(rows, 0, 5)
        await store.plan_deliveries([delivery(6), delivery(7, task_id=12)], 5, 7)
        assert await store.waiting_endpoints() == ["1", "2"]
        assert await due(store, "1", "2") == [1, 3, 7, 4]
        assert await due(store, "1", limit=2) == [1, 3]
        assert await due(store, "nobody") == []

    async def test_what_comes_beside_the_plan_waits_for_nobody_or_is_left_out(self, store: Store) -> None:
        await store.plan_deliveries([delivery(1), delivery(2, task_id=11)], 0, 2)
        await settle(store, 2, Status.DELIVERED)
        rows = [delivery(3, pos=2), delivery(4, task_id=11, pos=2), delivery(5, "2", pos=2)]
        assert sorted(await store.plan_idle(rows)) == [4, 5]
        assert await store.plan_idle([delivery(6, task_id=11, pos=2)]) == []
        assert await due(store, "1", "2") == [1, 4, 5]
        await store.plan_deliveries([delivery(7, task_id=11)], 2, 7)
        assert await due(store, "1") == [1, 4]
        assert await store.plan_idle([]) == []


class TestDelivering(Suite):
    """`due_deliveries` and `settle_deliveries`."""

    async def test_what_is_not_kept_is_gone_and_the_next_is_due(self, store: Store) -> None:
        await store.plan_deliveries([delivery(1), delivery(2)], 0, 2)
        await store.settle_deliveries([DeliveryChange(1, Status.DEAD, 1, None, b"[]", kept=False)])
        assert await store.delivery(1) is None
        assert await due(store, "1") == [2]

    async def test_the_next_is_due_when_the_one_before_is_over(self, store: Store) -> None:
        await store.plan_deliveries([delivery(number) for number in (1, 2, 3)], 0, 3)
        await settle(store, 1, Status.DELIVERED)
        assert await due(store, "1") == [2]
        await settle(store, 2, Status.DEAD)
        assert await due(store, "1") == [3]
        await settle(store, 3, Status.DELIVERED)
        assert await due(store, "1") == []
        assert await store.waiting_endpoints() == []
        row = await store.delivery(2)
        assert row is not None
        assert (row.status, row.tries, row.next_at, row.log) == (Status.DEAD, 1, None, b"[{}]")

    async def test_one_that_failed_holds_those_behind_it(self, store: Store, clock: ManualClock) -> None:
        await store.plan_deliveries([delivery(1), delivery(2)], 0, 2)
        await settle(store, 1, Status.RETRYING, clock.now() + 5 * SECOND)
        assert await due(store, "1") == []
        assert await store.waiting_endpoints() == []
        clock.move(5)
        assert await store.waiting_endpoints() == ["1"]
        assert await due(store, "1") == [1]

    async def test_what_is_over_stays_over(self, store: Store) -> None:
        await store.plan_deliveries([delivery(1), delivery(2)], 0, 2)
        await settle(store, 1, Status.DELIVERED)
        await settle(store, 1, Status.RETRYING, 0)
        row = await store.delivery(1)
        assert row is not None
        assert row.status is Status.DELIVERED
        assert await due(store, "1") == [2]

    async def test_one_begun_anew_does_not_overtake_for_others(self, store: Store) -> None:
        await store.plan_deliveries([delivery(number) for number in (1, 2, 3)], 0, 3)
        await settle(store, 1, Status.DEAD)
        assert await store.redeliver([1, 2]) == 1
        assert sorted(await due(store, "1")) == [1, 2]
        await settle(store, 2, Status.DELIVERED)
        assert await due(store, "1") == [1]
        await settle(store, 1, Status.DELIVERED)
        assert await due(store, "1") == [3]
        assert await store.redeliver([1]) == 1
        await settle(store, 1, Status.DELIVERED)
        assert await due(store, "1") == [3]

    async def test_a_batch_may_end_several_of_a_line(self, store: Store) -> None:
        await store.plan_deliveries([delivery(number) for number in (1, 2, 3)], 0, 3)
        await settle(store, 1, Status.DEAD)
        await store.redeliver([1])
        changes = [DeliveryChange(id_, Status.DELIVERED, 1, None, b"[]") for id_ in (1, 2)]
        await store.settle_deliveries(changes)
        assert await due(store, "1") == [3]


class TestDeliveryLists(Suite):
    """`deliveries`, `add_delivery` and `prune_deliveries`."""

    async def test_they_are_found_by_what_they_are(self, store: Store, clock: ManualClock) -> None:
        ids = []
        for number in range(4):
            ids += store.new_ids(1)
            clock.move(1)
            fields = {"owner": "bob" if number == 3 else "ada", "event": f"task.{number}"}
            await store.add_delivery(delivery(ids[-1], str(number % 2), number, status=Status(number + 1), **fields))
        one, two, three, four = ids

        async def found(limit: int = 9, after: int | None = None, **wanted: Any) -> list[int]:
            return [row.id for row in await store.deliveries(DeliveryFilter(**wanted), limit, after)]

        assert await found() == [four, three, two, one]
        assert await found(2, four) == [three, two]
        assert await found(owner="bob") == [four]
        assert await found(endpoint="0") == [three, one]
        assert await found(status=frozenset({Status.RETRYING, Status.DEAD})) == [four, two]
        assert await found(status=frozenset()) == []
        assert await found(task_id=2) == [three]
        assert await found(event="task.1", endpoint="1") == [two]
        assert await found(since=made_at(two), before=made_at(four)) == [three, two]
        assert await store.delivery(one) == delivery(one, "0", 0, event="task.0")
        assert await store.delivery(5) is None

    async def test_what_is_old_and_over_is_forgotten(self, store: Store, clock: ManualClock) -> None:
        (old, open_), until = store.new_ids(2), clock.move(10)
        (young,) = store.new_ids(1)
        for id_, status in ((old, Status.DELIVERED), (open_, Status.RETRYING), (young, Status.DEAD)):
            await store.add_delivery(delivery(id_, status=status))
        assert await store.prune_deliveries(until, 9) == 1
        assert await store.prune_deliveries(until, 9) == 0
        assert [row.id for row in await store.deliveries(DeliveryFilter(), 9, None)] == [young, open_]

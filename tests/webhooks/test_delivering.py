"""Webhooks are sent to whoever subscribed, signed, in order, and again until they are taken."""

import asyncio
import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from taskyard import verify_webhook
from taskyard.contracts.webhooks import DeliveryFilter, DeliveryRow
from taskyard.domain.webhook import SCHEDULE, Health, Status
from taskyard.engine import progress
from taskyard.engine.deliveries import redeliver, redeliver_all, tries_of
from taskyard.engine.engine import Engine
from taskyard.engine.query import Known, know
from taskyard.engine.subscriptions import change_subscription, get_subscription, is_enabled, rotate, unsubscribe
from taskyard.errors import Conflict, NotFound, ValidationFailed
from taskyard.notify.webhooks.dispatcher import Dispatcher, tell_owner
from taskyard.notify.webhooks.lines import Lines
from taskyard.notify.webhooks.service import ping
from taskyard.security.caller import LOCAL, Caller
from taskyard.security.webhooks import callback_secret
from tests.security.egress.receiver import Asked, answer, receiving
from tests.support import eventually
from tests.webhooks.post import Post

REFUSED = answer("500 No")
TAKEN = answer("204 No Content")


def keys(asked: list[Asked]) -> list[str]:
    return [json.loads(each.body)["type"].rpartition(".")[2] for each in asked]


def now_of(post: Post) -> float:
    return post.clock.now() / 1e6


async def states(post: Post) -> list[tuple[str, str, int]]:
    return [(row.event, row.status.name, row.tries) for row in await post.deliveries()]


async def test_all_endpoints_that_fail_get_half_of_all(post: Post) -> None:
    dispatcher = Dispatcher(post.engine, Lines(post.engine, post.outside, post.egress), most=8)
    async with receiving(TAKEN) as receiver:
        for k in range(7):
            row, _ = await post.subscribe(f"http://127.0.0.1:{receiver.port}/{k}")
            if k:
                await post.store.save_health(row.id, Health(failing_since=1))
        await post.start()
        await post.plan()
        assert await dispatcher.look() == 1 + 4
        await dispatcher.stop()
    targets = [asked.target for asked in receiver.asked]
    assert (len(targets), targets.count("/0")) == (5, 1)


async def test_who_is_slow_with_much_keeps_no_other_waiting(post: Post) -> None:
    dispatcher = Dispatcher(post.engine, Lines(post.engine, post.outside, post.egress), most=4)
    over = asyncio.Event()

    async def slow(_: Asked, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.write(TAKEN)

    async with receiving(slow) as one, receiving(slow) as another, receiving(TAKEN) as good:
        for receiver in (one, another, good):
            await post.subscribe(f"http://127.0.0.1:{receiver.port}/")
        await post.start(8)
        await post.plan()
        await dispatcher.look()
        await eventually(lambda: len(good.asked) == 8)
        assert len(one.asked) == 2
        assert len(another.asked) in (1, 2)  # where the good one was is room once it has all
        over.set()
        await dispatcher.stop()


async def any_taken(post: Post) -> bool:
    return any(row.status is Status.DELIVERED for row in await post.deliveries())


async def test_who_answers_sooner_is_told_sooner(post: Post) -> None:
    lines = Lines(post.engine, post.outside, post.egress)
    together, by_turns = (Dispatcher(post.engine, lines, most=most) for most in (4, 1))
    told: list[str] = []
    quick_is_done = asyncio.Event()

    async def slow(_: Asked, writer: asyncio.StreamWriter) -> None:
        told.append("slow")
        await quick_is_done.wait()
        writer.write(TAKEN)

    async def quick(_: Asked, writer: asyncio.StreamWriter) -> None:
        told.append("quick")
        writer.write(TAKEN)

    async with receiving(slow) as first, receiving(quick) as second:
        for receiver in (first, second):
            await post.subscribe(f"http://127.0.0.1:{receiver.port}/")
        await post.start()
        await post.plan()
        assert await together.look() == 2
        await eventually(lambda: any_taken(post))
        quick_is_done.set()
        await eventually(lambda: together.is_idle)
        told.clear()
        await post.start()
        await post.plan()
        assert await by_turns.look() == 1
        await eventually(lambda: len(told) == 2)
        await eventually(lambda: by_turns.is_idle)
        await together.stop()
        await by_turns.stop()
    assert told == ["quick", "slow"]


async def test_nobody_waits_for_ever_while_others_have_more_to_come(post: Post) -> None:
    """Who is slow, and who fails: where there is room for few, their turns come."""
    lines = Lines(post.engine, post.outside, post.egress)
    dispatcher = Dispatcher(post.engine, lines, most=2)
    told: list[str] = []
    over = asyncio.Event()

    async def take(asked: Asked, writer: asyncio.StreamWriter) -> None:
        told.append(asked.target)
        await over.wait()
        writer.write(TAKEN)

    async with receiving(take) as receiver:
        names = ("slow", "failing", "quick", "another")
        rows = [(await post.subscribe(f"http://127.0.0.1:{receiver.port}/{name}"))[0] for name in names]
        await post.store.save_health(rows[1].id, Health(failing_since=1))
        slow, failing, *_ = await lines.of([row.id for row in rows], 0, fresh=True)
        slow.took, failing.took = 2.0, 3.0
        slow.used_at -= 20
        failing.used_at -= 20
        await post.start(8)
        await post.plan()
        assert await dispatcher.look() == 2
        await eventually(lambda: len(told) == 2)
        over.set()
        await dispatcher.stop()
    assert sorted(told[:2]) == ["/failing", "/slow"]


async def test_every_change_is_told_signed_and_in_order(post: Post) -> None:
    async with receiving(TAKEN) as receiver:
        row, secret = await post.subscribe(f"http://127.0.0.1:{receiver.port}/hook")
        (task_id,) = await post.start()
        await post.end(task_id, "not needed")
        await post.settle()
    assert keys(receiver.asked) == ["created", "canceled"]
    for asked in receiver.asked:
        assert (asked.method, asked.target, asked.headers["content-type"]) == ("POST", "/hook", "application/json")
        envelope = verify_webhook(asked.body, asked.headers, secret, now=now_of(post))
        assert envelope["id"] == asked.headers["webhook-id"]
        assert envelope["data"]["taskId"] == str(task_id)
        standard = {name: value for name, value in asked.headers.items() if name.startswith("webhook-")}
        assert verify_webhook(asked.body, standard, secret, now=now_of(post)) == envelope
        own = {name: value for name, value in asked.headers.items() if name.startswith("x-task-")}
        assert verify_webhook(asked.body, own, secret, now=now_of(post)) == envelope
    assert await states(post) == [("task.created", "DELIVERED", 1), ("task.canceled", "DELIVERED", 1)]
    (first, _) = await post.deliveries()
    (tried,) = tries_of(first)
    assert (tried["status"], tried["error"], first.endpoint) == (204, None, row.id)
    assert tried["request"]["headers"]["webhook-id"] == first.event_id


async def test_only_what_is_wanted_and_only_from_then_on(post: Post) -> None:
    await post.start()
    async with receiving(TAKEN) as receiver:
        url = f"http://127.0.0.1:{receiver.port}"
        await post.subscribe(f"{url}/canceled", "task.canceled")
        await post.subscribe(f"{url}/alias", "task-created")
        await post.subscribe(f"{url}/trigger", "taskSumsCanceled")
        await post.subscribe(f"{url}/cause", "workflow_Instance_w7OwnedTaskSumsCreated")
        await post.subscribe(
            f"{url}/filter", "task.*", filter="data.workflowId == 'w8' && type == 'task.instance.created'"
        )
        await post.subscribe(f"{url}/off", "*", enabled=False)
        for workflow in ("w7", "w8"):
            await post.end(await post.one(workflow_id=workflow))
        await post.settle()
    told = sorted((asked.target, json.loads(asked.body)["data"]["workflowId"]) for asked in receiver.asked)
    assert told == [
        ("/alias", "w7"), ("/alias", "w8"), ("/canceled", "w7"), ("/canceled", "w8"), ("/cause", "w7"),
        ("/filter", "w8"), ("/trigger", "w7"), ("/trigger", "w8"),
    ]  # fmt: skip


async def test_progress_is_told_to_who_names_it_and_only_behind_all_else(post: Post) -> None:
    async with receiving(TAKEN) as receiver:
        url = f"http://127.0.0.1:{receiver.port}"
        await post.subscribe(f"{url}/named", "task.created", "task.progress", "task.canceled")
        await post.subscribe(f"{url}/type", "task.instance.progress", filter="data.progress.current > `1`")
        await post.subscribe(f"{url}/pattern", "task.*")
        (task_id,) = await post.start()
        token = await post.lease()
        receiver.answer = REFUSED
        await post.settle()
        await post.report(task_id, token, 1)  # what was created has not been taken yet
        receiver.answer = TAKEN
        await post.pass_time(5)
        await post.planner.plan_progress()  # now it has
        await post.send()
        await post.report(task_id, token, 2)
        await post.planner.plan_progress()  # nothing new
        await post.send()
        await post.end(task_id)
        await post.settle()
        await post.planner.plan_progress()
        await post.send()
    told: dict[str, list[dict[str, Any]]] = {"/named": [], "/type": [], "/pattern": []}
    for asked in receiver.asked:
        told[asked.target].append(json.loads(asked.body))
    kinds = {place: [each["type"].rpartition(".")[2] for each in envelopes] for place, envelopes in told.items()}
    assert kinds["/named"] == ["created", "created", "progress", "progress", "canceled"]
    assert kinds["/type"] == ["progress"]
    assert "progress" not in kinds["/pattern"]
    progress = told["/type"][0]
    assert progress["data"] == {
        "taskId": str(task_id), "progress": {"current": 2, "total": 4, "action": None, "percent": 50.0},
    }  # fmt: skip
    assert progress["sequence"] < told["/named"][-1]["sequence"]
    assert "task.progress" not in {row.event for row in await post.deliveries()}


async def test_progress_that_a_filter_declines_is_looked_at_once(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[int]] = []

    async def spied(engine: Engine, task_ids: Sequence[int]) -> list[Known]:
        asked.append(list(task_ids))
        return await know(engine, task_ids)

    monkeypatch.setattr(progress, "know", spied)
    await post.subscribe("http://127.0.0.1:1", "task.progress", filter="data.progress.current > `1`")
    task_id = await post.one()
    token = await post.lease()
    await post.plan()
    await post.report(task_id, token, 1)
    await post.planner.plan_progress()
    assert asked == [[task_id]]
    assert await post.deliveries() == []


async def test_progress_that_is_refused_is_not_sent_again_and_disables_nobody(post: Post) -> None:
    async with receiving(REFUSED) as receiver:
        row, _ = await post.subscribe(f"http://127.0.0.1:{receiver.port}", "task.progress")
        (task_id,) = await post.start()
        await post.report(task_id, await post.lease(), 1)
        for wait in SCHEDULE[1:]:
            await post.pass_time(wait)
    assert keys(receiver.asked) == ["progress"]
    assert is_enabled(await get_subscription(post.engine, LOCAL, row.id))


async def test_what_fails_is_tried_at_the_times_of_the_contract_and_then_given_up(post: Post) -> None:
    async with receiving(REFUSED) as receiver:
        row, _ = await post.subscribe(f"http://127.0.0.1:{receiver.port}")
        await post.start()
        await post.settle()
        for wait in SCHEDULE[1:]:
            before = len(receiver.asked)
            await post.pass_time(wait - 1)
            assert len(receiver.asked) == before
            await post.pass_time(1)
            assert len(receiver.asked) == before + 1
        await post.pass_time(10 * 86_400)
    assert len(receiver.asked) == 10
    assert len({asked.headers["webhook-id"] for asked in receiver.asked}) == 1
    assert len({asked.body for asked in receiver.asked}) == 1
    assert await states(post) == [("task.created", "DEAD", 10)]
    (delivery,) = await post.deliveries()
    assert [each["status"] for each in tries_of(delivery)] == [500] * 10
    row = await get_subscription(post.engine, LOCAL, row.id)
    assert not is_enabled(row)
    assert row.health.disabled_reason == "it took nothing in all 10 tries of a delivery; the last: answered 500"


async def test_an_endpoint_that_was_given_up_is_logged_without_its_address(post: Post) -> None:
    row, _ = await post.subscribe("https://127.0.0.1/hooks/t0ken")
    with capture_logs() as logs:
        tell_owner(row, "it answered 410 Gone")
    assert (logs[0]["host"], "t0ken" in str(logs)) == ("127.0.0.1", False)


async def test_a_task_waits_for_its_own_and_for_nobody_elses(post: Post) -> None:
    async with receiving(TAKEN) as receiver:
        await post.subscribe(f"http://127.0.0.1:{receiver.port}")
        stuck, free = await post.start(2)
        await post.end(stuck)
        await post.end(free)

        async def refuse_stuck(asked: Asked, writer: asyncio.StreamWriter) -> None:
            writer.write(REFUSED if json.loads(asked.body)["data"]["taskId"] == str(stuck) else TAKEN)
            await writer.drain()

        receiver.answer = refuse_stuck
        await post.settle()
        taken = [json.loads(asked.body)["data"]["taskId"] for asked in receiver.asked]
        assert (taken.count(str(stuck)), taken.count(str(free))) == (1, 2)
        receiver.answer = TAKEN
        await post.pass_time(5)
    stuck_ones = [asked for asked in receiver.asked if json.loads(asked.body)["data"]["taskId"] == str(stuck)]
    assert keys(stuck_ones) == ["created", "created", "canceled"]


async def test_a_disabled_endpoint_is_left_alone_until_it_is_enabled(post: Post) -> None:
    async with receiving(answer("410 Gone")) as receiver:
        row, _ = await post.subscribe(f"http://127.0.0.1:{receiver.port}")
        task_id = await post.one()
        await post.settle()
        await post.end(task_id)
        await post.settle()
        assert keys(receiver.asked) == ["created"]
        row = await get_subscription(post.engine, LOCAL, row.id)
        assert row.health.disabled_reason == "it answered 410 Gone"
        (dead,) = await post.deliveries()
        with pytest.raises(Conflict, match="enable it first"):
            await redeliver(post.engine, LOCAL, dead.id)
        receiver.answer = TAKEN
        await change_subscription(post.engine, post.outside, LOCAL, row.id, lambda endpoint: _enabled(endpoint))
        await post.one()
        await post.settle()
        assert keys(receiver.asked) == ["created", "created"]
        assert await redeliver_all(post.engine, LOCAL, DeliveryFilter(status=frozenset({Status.DEAD}))) == 1
        await post.send()
    assert len(receiver.asked) == 3
    assert receiver.asked[2].headers["webhook-id"] == receiver.asked[0].headers["webhook-id"]


def _enabled(endpoint: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(endpoint, enabled=True)


async def test_a_busy_endpoint_is_held_as_long_as_it_asks(post: Post) -> None:
    async with receiving(answer("429 Slow", retry_after="600")) as receiver:
        await post.subscribe(f"http://127.0.0.1:{receiver.port}", maxConcurrent=1)
        await post.start(5)
        await post.settle()
        assert len(receiver.asked) == 1
        receiver.answer = TAKEN
        await post.pass_time(599)
        assert len(receiver.asked) == 1
        await post.pass_time(1)
    assert len(receiver.asked) == 6


async def test_one_that_keeps_failing_is_asked_less_often_and_told_all_once_it_is_well(post: Post) -> None:
    async with receiving(REFUSED) as receiver:
        await post.subscribe(f"http://127.0.0.1:{receiver.port}", maxConcurrent=1)
        await post.start(30)
        await post.settle()
        assert len(receiver.asked) == 9
        await post.pass_time(0.04)
        assert len(receiver.asked) == 9
        await post.pass_time(0.01)
        assert len(receiver.asked) == 10
        receiver.answer = TAKEN
        await post.pass_time(SCHEDULE[1])
        assert {row.status for row in await post.deliveries()} == {Status.DELIVERED}


async def test_connections_for_an_earlier_configuration_are_let_go(post: Post) -> None:
    async with receiving(TAKEN) as receiver:
        row, _ = await post.subscribe(f"http://127.0.0.1:{receiver.port}")
        for text in ("one", "two", "three"):
            await post.start()
            await post.settle()
            described = partial(msgspec.structs.replace, description=text)
            await change_subscription(post.engine, post.outside, LOCAL, row.id, described)
        await post.start()
        await post.settle()
        await post.dispatcher.look()
    assert post.dispatcher._lines._old == []


async def test_no_more_at_once_and_no_faster_than_asked_for(post: Post) -> None:
    under_way = most = 0
    together = asyncio.Event()

    async def count(asked: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if most == 3:
            together.set()
        await together.wait()
        under_way -= 1
        writer.write(TAKEN)

    async with receiving(count) as receiver:
        row, _ = await post.subscribe(f"http://127.0.0.1:{receiver.port}", maxConcurrent=3)
        await post.start(20)
        await post.settle()
        assert (len(receiver.asked), most) == (20, 3)
        await unsubscribe(post.engine, LOCAL, row.id)
        await post.subscribe(f"http://127.0.0.1:{receiver.port}", maxConcurrent=64, rateLimit="2/s")
        await post.start(5)
        await post.settle()
        assert len(receiver.asked) == 22
        await post.pass_time(1)
        assert len(receiver.asked) == 24
        await post.pass_time(1)
    assert len(receiver.asked) == 25


async def test_a_rotated_secret_signs_beside_the_one_before(post: Post) -> None:
    async with receiving(TAKEN) as receiver:
        row, old = await post.subscribe(f"http://127.0.0.1:{receiver.port}")
        _, new = await rotate(post.engine, post.outside, LOCAL, row.id, overlap=60)
        await post.start()
        await post.settle()
        for secret in (old, new):
            verify_webhook(receiver.asked[0].body, receiver.asked[0].headers, secret, now=now_of(post))
        post.clock.move(61)
        await post.start()
        await post.settle()
        verify_webhook(receiver.asked[1].body, receiver.asked[1].headers, new, now=now_of(post))
        assert "x-task-signature-previous" not in receiver.asked[1].headers
        assert " " not in receiver.asked[1].headers["webhook-signature"]


async def test_secrets_are_nowhere_to_be_read(post: Post) -> None:
    async with receiving(TAKEN) as receiver:
        auth = {"type": "basic", "username": "ada", "password": "canary-password"}
        row, secret = await post.subscribe(f"http://127.0.0.1:{receiver.port}", clientAuth=auth)
        await post.start()
        await post.settle()
        assert receiver.asked[0].headers["authorization"] == "Basic YWRhOmNhbmFyeS1wYXNzd29yZA=="
    stored = await post.store.subscription(row.id)
    for text in (repr(stored), repr(await post.deliveries())):
        for canary in ("canary-password", secret, "YWRhOmNhbmFyeS1wYXNzd29yZA"):
            assert canary not in text
    assert tries_of((await post.deliveries())[0])[0]["request"]["headers"]["authorization"] == "***"


async def test_a_ping_is_sent_at_once_whatever_the_state(post: Post) -> None:
    async with receiving(TAKEN) as receiver:
        row, secret = await post.subscribe(f"http://127.0.0.1:{receiver.port}", enabled=False)
        delivery = await ping(post.engine, post.outside, post.egress, LOCAL, row.id)
        assert (delivery.status, delivery.tries) == (Status.DELIVERED, 1)
        envelope = verify_webhook(receiver.asked[0].body, receiver.asked[0].headers, secret, now=now_of(post))
        assert (envelope["type"], envelope["data"]) == ("webhook.ping", {"subscriptionId": row.id})
        receiver.answer = REFUSED
        failed = await ping(post.engine, post.outside, post.egress, LOCAL, row.id)
    assert (failed.status, tries_of(failed)[0]["status"]) == (Status.DEAD, 500)
    assert [each.id for each in await post.deliveries()] == [delivery.id, failed.id]


async def test_a_callback_is_told_how_its_task_ended(post: Post) -> None:
    async with receiving(REFUSED) as receiver:
        url = f"http://127.0.0.1:{receiver.port}/back"
        ada = Caller("ada", frozenset({"admin"}))
        task_id = await post.one(ada, callback_url=url, workflow_id="w7", correlation_id="c9")
        await post.one(ada)
        await post.settle()
        assert receiver.asked == []
        await post.end(task_id, "enough")
        await post.settle()
        receiver.answer = TAKEN
        await post.pass_time(5)
    assert len(receiver.asked) == 2
    asked = receiver.asked[1]
    secret = callback_secret(post.outside.callbacks, "ada")
    assert asked.target == "/back"
    assert verify_webhook(asked.body, asked.headers, secret, now=now_of(post)) == {
        "taskId": str(task_id), "workflowId": "w7", "status": "CANCELED", "correlationId": "c9",
        "error": {"code": "CANCELED", "message": "enough"},
    }  # fmt: skip
    (delivery,) = await post.deliveries()
    assert (delivery.url, delivery.owner, delivery.status) == (url, "ada", Status.DELIVERED)


@pytest.mark.parametrize("url", ["http://10.0.0.1/x", "http://169.254.169.254/", "http://[::ffff:10.0.0.1]/"])
async def test_an_address_that_may_not_be_reached_is_refused_at_the_door(post: Post, url: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        await post.subscribe(url)
    assert caught.value.details[0]["path"] == "/url"
    with pytest.raises(ValidationFailed) as caught:
        await post.one(callback_url=url)
    assert caught.value.details[0]["path"] == "/callbackUrl"
    with pytest.raises(ValidationFailed) as caught:
        await post.subscribe(
            "http://127.0.0.1/",
            clientAuth={"type": "oauth2", "tokenUrl": url, "clientId": "a", "clientSecret": "b"},
        )
    assert caught.value.details[0]["path"] == "/clientAuth/tokenUrl"


async def test_and_again_when_it_is_connected(post: Post) -> None:
    await post.subscribe("http://10.0.0.1/x", vetted=False)
    await post.start()
    await post.settle()
    (delivery,) = await post.deliveries()
    assert delivery.status is Status.RETRYING
    assert "may not be reached" in tries_of(delivery)[0]["error"]


async def test_what_was_under_way_when_its_sender_died_is_sent_by_the_next(post: Post) -> None:
    over = asyncio.Event()

    async def hang(asked: Asked, writer: asyncio.StreamWriter) -> None:
        del asked, writer
        await over.wait()

    async with receiving(hang) as receiver:
        await post.subscribe(f"http://127.0.0.1:{receiver.port}")
        await post.start(3)
        await post.plan()
        await post.dispatcher.look()
        await eventually(lambda: len(receiver.asked) == 3)
        receiver.answer = TAKEN
        dead, post.dispatcher = post.dispatcher, post.new_dispatcher()
        await post.send()
        over.set()
        await dead.stop()
    assert sorted(row.status for row in await post.deliveries()) == [Status.DELIVERED] * 3
    ids = [asked.headers["webhook-id"] for asked in receiver.asked]
    assert sorted(ids[:3]) == sorted(ids[3:])


async def test_two_planners_plan_everything_once(post: Post) -> None:
    async with receiving(TAKEN) as receiver:
        await post.subscribe(f"http://127.0.0.1:{receiver.port}")
        await post.start(50)
        others = [type(post.planner)(post.engine) for _ in range(4)]
        while await post.store.sequence(1000):
            pass
        await asyncio.gather(*(other.plan() for other in others))
        await post.settle()
    assert len(receiver.asked) == 50


async def test_an_owner_touches_only_what_is_theirs(post: Post) -> None:
    ada, bob = (Caller(name, frozenset({"webhooks:manage"})) for name in ("ada", "bob"))
    async with receiving(TAKEN) as receiver:
        row, _ = await post.subscribe(f"http://127.0.0.1:{receiver.port}", caller=ada)
        await post.start()
        await post.settle()
    (delivery,) = await post.deliveries()
    for verb in (
        get_subscription(post.engine, bob, row.id),
        rotate(post.engine, post.outside, bob, row.id),
        unsubscribe(post.engine, bob, row.id),
        ping(post.engine, post.outside, post.egress, bob, row.id),
        redeliver(post.engine, bob, delivery.id),
    ):
        with pytest.raises(NotFound):
            await verb
    assert await redeliver_all(post.engine, bob, DeliveryFilter()) == 0
    assert await post.store.delivery(delivery.id) == delivery
    assert isinstance(delivery, DeliveryRow)

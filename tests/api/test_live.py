"""Live progress: WebSockets and the stream of events, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from taskyard import Taskyard
from taskyard.api import live, standing
from taskyard.api.authenticate import record_of
from taskyard.api.buffer import Buffer
from taskyard.api.changes import Changed, changes
from taskyard.api.live import gathered
from taskyard.engine.events import latest_position, read_story
from taskyard.errors import Overloaded
from taskyard.runtime.follow import follow_in_batches
from taskyard.security.api_tokens import new_api_token
from taskyard.security.caller import Caller
from taskyard.security.session import Session
from tests.api.yard import ADMIN_TOKEN, Client, bearer, serving, token

ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
OFTEN = 0.02


@contextlib.asynccontextmanager
async def follow(address: str, task_id: str, after: int = 0, **options: Any) -> AsyncIterator[ClientConnection]:
    options.setdefault("additional_headers", ADMIN)
    url = f"ws://{address}/ws/task/{task_id}" + (f"?after={after}" if after else "")
    async with connect(url, proxy=None, **options) as socket:
        yield socket


async def read_all(socket: ClientConnection) -> list[dict[str, Any]]:
    return [json.loads(message) async for message in socket]


async def start(yard: Taskyard, key: str, **input_: Any) -> str:
    return (await yard.start(key, input_)).id


async def test_a_run_is_told_in_order_to_its_end(working_yard: Taskyard) -> None:
    async with serving(working_yard) as (address, _):
        task_id = await start(working_yard, "chatty", lines=5)
        async with follow(address, task_id) as socket:
            messages = await read_all(socket)
            assert socket.close_code == 1000
    assert [m["status"] for m in messages if m["type"] == "status"] == ["PENDING", "RUNNING", "COMPLETED"]
    assert [m["text"] for m in messages if m["type"] == "log"] == [f"line {n}" for n in range(5)]
    assert [m["type"] for m in messages[-2:]] == ["result", "end"]
    assert messages[-2]["output"] == 5
    sequences = [m["sequence"] for m in messages]
    assert sequences == sorted(sequences)


async def test_frames_may_hold_many_messages(working_yard: Taskyard) -> None:
    async with serving(working_yard) as (address, _):
        run = await working_yard.start("chatty", {"lines": 3000})
        await run.result()
        async with follow(address, run.id) as socket:
            alone = await read_all(socket)
        url = f"ws://{address}/ws/task/{run.id}?batch=true"
        async with connect(url, additional_headers=ADMIN, proxy=None) as socket:
            frames: list[Any] = await read_all(socket)
    together = [message for frame in frames for message in frame]
    for type_ in ("status", "result", "end"):
        assert [m for m in together if m["type"] == type_] == [m for m in alone if m["type"] == type_]
    said = [line for m in together if m["type"] == "log" for line in m["text"].split("\n")]
    assert said == [f"line {n}" for n in range(3000)]
    assert len(frames) < len(alone) / 10


def test_lines_said_together_are_sent_as_one_message() -> None:
    def line(sequence: int, at: str, level: str = "info") -> dict[str, Any]:
        return {"type": "log", "sequence": sequence, "at": at, "level": level, "text": f"line {sequence}"}

    state = {"type": "status", "sequence": 5, "at": "b", "status": "RUNNING"}
    messages = [line(1, "a"), line(2, "a"), line(3, "b"), line(4, "b", "error"), state, line(6, "b"), line(7, "b")]
    assert gathered(messages) == [
        {**line(2, "a"), "text": "line 1\nline 2"},
        line(3, "b"),
        line(4, "b", "error"),
        state,
        {**line(7, "b"), "text": "line 6\nline 7"},
    ]


async def test_a_reconnect_misses_and_repeats_nothing(working_yard: Taskyard) -> None:
    lines, seen, after = 3000, [], 0
    async with serving(working_yard) as (address, _):
        task_id = await start(working_yard, "chatty", lines=lines)
        for cut in (500, 900, 1):
            async with follow(address, task_id, after) as socket:
                seen += [json.loads(await socket.recv()) for _ in range(cut)]
                socket.transport.abort()
            after = seen[-1]["sequence"]
        async with follow(address, task_id, after) as socket:
            seen += await read_all(socket)
    assert [m["text"] for m in seen if m["type"] == "log"] == [f"line {n}" for n in range(lines)]
    assert [m["type"] for m in seen].count("end") == 1
    assert len(await working_yard.engine.store.attempts(int(task_id))) == 1


async def test_who_brings_no_right_is_refused_before_the_handshake(working_yard: Taskyard) -> None:
    async with serving(working_yard) as (address, _):
        task_id = await start(working_yard, "chatty", lines=1)
        cases: list[tuple[int, dict[str, Any]]] = [
            (401, {"additional_headers": {}}),
            (401, {"additional_headers": {"Authorization": "Bearer x"}}),
            (403, {"additional_headers": bearer("tasks:write")}),
            (404, {"additional_headers": bearer("tasks:manual")}),
            (403, {"additional_headers": {**ADMIN, "Origin": "https://evil.example"}}),
            (403, {"additional_headers": {**ADMIN, "Origin": "null"}}),
        ]
        for status, options in cases:
            with pytest.raises(InvalidStatus) as refused:
                async with follow(address, task_id, **options):
                    pass
            assert refused.value.response.status_code == status, options
        host, _, port = address.partition(":")
        with pytest.raises(InvalidStatus) as refused:
            async with follow(f"evil.example:{port}", task_id, host=host, port=int(port)):
                pass
        assert refused.value.response.status_code == 403
        for path, status in ((f"{task_id}?token=x", 422), ("12", 404), ("x", 404), (f"{task_id}?after=-1", 422)):
            with pytest.raises(InvalidStatus) as refused:
                async with connect(f"ws://{address}/ws/task/{path}", additional_headers=ADMIN, proxy=None):
                    pass
            assert refused.value.response.status_code == status, path


async def test_a_token_may_come_as_a_subprotocol(working_yard: Taskyard) -> None:
    async with serving(working_yard) as (address, _):
        task_id = await start(working_yard, "chatty", lines=1)
        protocol = f"bearer.{token(['tasks:read'])}"
        async with follow(address, task_id, subprotocols=[protocol], additional_headers={}) as socket:
            assert socket.subprotocol == protocol
            assert (await read_all(socket))[-1]["type"] == "end"


async def test_a_cookie_is_taken_from_our_own_pages_only(working_yard: Taskyard) -> None:
    async with serving(working_yard) as (address, services):
        task_id = await start(working_yard, "chatty", lines=1)
        cookie = services.sessions.issue(Session(Caller("ada", frozenset({"tasks:read"}))), 60, time.time())
        headers = {"Cookie": f"taskyard_session={cookie}"}
        async with follow(address, task_id, additional_headers=headers, origin=f"http://{address}") as socket:
            assert (await read_all(socket))[-1]["type"] == "end"
        for origin in (None, "null", "https://evil.example", f"http://{address}.evil.example", "http://127.0.0.1"):
            with pytest.raises(InvalidStatus) as refused:
                async with follow(address, task_id, additional_headers=headers, origin=origin):
                    pass
            assert refused.value.response.status_code == 403, origin


async def test_sockets_may_be_switched_off(working_yard: Taskyard) -> None:
    async with serving(working_yard, websocket_enabled=False) as (address, _):
        task_id = await start(working_yard, "chatty", lines=1)
        with pytest.raises(InvalidStatus) as refused:
            async with follow(address, task_id):
                pass
        assert refused.value.response.status_code == 403
        assert b"TASK_WEBSOCKET_ENABLED" in refused.value.response.body


async def stored_token(yard: Taskyard) -> tuple[dict[str, str], bytes]:
    """The header with an API token, and what it is stored under."""
    new = new_api_token()
    key = bytes.fromhex(new.hashed)
    await yard.engine.store.save_token(key, record_of(Caller("robot", frozenset({"tasks:read"}))), None)
    return {"Authorization": f"Bearer {new.shown}"}, key


async def test_a_revoked_token_ends_its_sockets_and_streams(
    working_yard: Taskyard, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert standing.CHECK_EVERY <= 5
    monkeypatch.setattr(standing, "CHECK_EVERY", OFTEN)
    headers, key = await stored_token(working_yard)
    nobody = record_of(Caller("robot"))
    async with (
        serving(working_yard) as (address, _),
        httpx.AsyncClient(headers=headers, trust_env=False, timeout=60) as client,
    ):
        task_id = await start(working_yard, "patient")
        stream_headers = {"Accept": "text/event-stream"}
        async with (
            follow(address, task_id, additional_headers=headers) as socket,
            client.stream("GET", f"http://{address}/api/v1/events", headers=stream_headers) as stream,
        ):
            await socket.recv()
            await working_yard.engine.store.save_token(key, nobody, None)
            await read_all_until_closed(socket)
            assert socket.close_code == 1008
            async with asyncio.timeout(60):
                assert b"data" not in b"".join([chunk async for chunk in stream.aiter_raw()])[-10:]


async def read_all_until_closed(socket: ClientConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        async with asyncio.timeout(60):
            while True:
                await socket.recv()


async def test_sockets_end_when_the_server_stops(working_yard: Taskyard) -> None:
    task_id = await start(working_yard, "patient")
    async with serving(working_yard) as (address, services), follow(address, task_id) as socket:
        await socket.recv()
        services.closing.set()
        await read_all_until_closed(socket)
        assert socket.close_code == 1012


async def test_the_stream_of_events_goes_on_where_it_was_left(working_yard: Taskyard) -> None:
    async with (
        serving(working_yard) as (address, _),
        httpx.AsyncClient(headers=ADMIN, base_url=f"http://{address}", trust_env=False, timeout=60) as client,
    ):
        run = await working_yard.start("add", {"a": 1, "b": 2})
        await run.result()
        told = [event async for event in _stream(client, 3, after="0")]
        assert [event["event"] for event in told] == ["task.created", "task.started", "task.completed"]
        rest = [event async for event in _stream(client, 2, seen=told[0]["id"])]
        assert rest == told[1:]
        assert json.loads(told[2]["data"])["data"]["taskId"] == run.id


async def test_the_stream_goes_on_behind_events_that_nobody_is_told_of(
    working_yard: Taskyard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole page of them does not stop it, nor the pages, nor listeners."""
    monkeypatch.setattr("taskyard.engine.events.OWN_TASKS", frozenset({"chatty"}))
    monkeypatch.setattr("taskyard.api.events._AT_ONCE", 2)
    for _ in range(3):
        await (await working_yard.start("chatty", {"lines": 0})).result()
    run = await working_yard.start("add", {"a": 1, "b": 2})
    await run.result()
    async with (
        serving(working_yard) as (address, _),
        httpx.AsyncClient(headers=ADMIN, base_url=f"http://{address}", trust_env=False, timeout=60) as client,
    ):
        told = [event async for event in _stream(client, 3, after="0")]
        assert {json.loads(event["data"])["data"]["taskId"] for event in told} == {run.id}
        seen, query = [], {"limit": "2"}
        while query:
            page = (await client.get("/api/v1/events", params=query)).json()
            seen += page["items"]
            query = {"limit": "2", "cursor": page["nextCursor"]} if page["nextCursor"] else {}
        assert [event["data"]["taskId"] for event in seen] == [run.id] * 3


async def test_the_feed_can_be_read_from_near_its_end(working_yard: Taskyard) -> None:
    async with (
        serving(working_yard) as (address, _),
        httpx.AsyncClient(headers=ADMIN, base_url=f"http://{address}", trust_env=False, timeout=60) as client,
    ):
        for _ in range(2):
            await (await working_yard.start("add", {"a": 1, "b": 2})).result()
        _ = [event async for event in _stream(client, 6, after="0")]
        page = (await client.get("/api/v1/events?last=2")).json()
        assert [event["type"] for event in page["items"]] == ["task.instance.started", "task.instance.completed"]
        assert page["nextCursor"] is None
        rest = (await client.get(f"/api/v1/events?after={page['position']}")).json()
        assert (rest["items"], rest["position"]) == ([], page["position"])
        assert len((await client.get("/api/v1/events?last=200")).json()["items"]) == 6
        for wrong in ("last=0", "last=201", "last=2&after=1"):
            assert (await client.get(f"/api/v1/events?{wrong}")).status_code == 422


async def test_lists_are_told_at_once_that_anything_may_have_changed_and_then_what_has(
    working_yard: Taskyard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskyard.api.changes._AT_MOST_EVERY", OFTEN)
    async with (
        serving(working_yard) as (address, _),
        connect(f"ws://{address}/ws/changes", additional_headers=ADMIN, proxy=None) as socket,
        asyncio.timeout(60),
    ):
        assert json.loads(await socket.recv()) == {"type": "changes", "taskIds": [], "more": True}
        run = await working_yard.start("add", {"a": 1, "b": 2})
        told = json.loads(await socket.recv())
        assert (told["taskIds"], told["more"]) == ([run.id], False)


async def test_lists_are_told_once_the_store_is_back(yard: Taskyard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskyard.api.changes._AT_MOST_EVERY", OFTEN)
    monkeypatch.setattr("taskyard.api.changes._LOOK_EVERY", OFTEN)
    store = yard.engine.store
    away = iter([True, True, False])
    feed_end = store.feed_end

    async def sometimes() -> int:
        if next(away):
            raise Overloaded("the store is away")
        return await feed_end()

    monkeypatch.setattr(store, "feed_end", sometimes)
    told: Any = changes(yard.engine)
    assert await anext(told) == Changed([], more=True)
    await told.aclose()


async def test_who_falls_behind_is_told_so_and_goes_on_at_the_end(
    working_yard: Taskyard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskyard.api.changes._BATCHES", 2)
    monkeypatch.setattr("taskyard.api.changes._AT_MOST_EVERY", OFTEN)
    told: Any = changes(working_yard.engine)
    assert await anext(told) == Changed([], more=True)
    for _ in range(4):
        await (await working_yard.start("add", {"a": 1, "b": 2})).result()
    end = await latest_position(working_yard.engine)
    assert (await anext(told)).more
    assert await working_yard.engine.store.feed_end() == end
    last = await working_yard.start("add", {"a": 1, "b": 2})
    async with asyncio.timeout(60):
        while last.id not in {str(id_) for id_ in (await anext(told)).task_ids}:
            pass
    await told.aclose()


async def test_a_stream_without_events_says_where_it_is(
    working_yard: Taskyard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskyard.api.events._SILENCE", OFTEN)
    async with (
        serving(working_yard) as (address, _),
        httpx.AsyncClient(headers=ADMIN, base_url=f"http://{address}", trust_env=False, timeout=60) as client,
    ):
        async with contextlib.aclosing(_blocks(client)) as blocks:
            place = await anext(blocks)
        run = await working_yard.start("add", {"a": 1, "b": 2})
        await run.result()
        told = [event async for event in _stream(client, 3, seen=place["id"])]
        assert [json.loads(event["data"])["data"]["taskId"] for event in told] == [run.id] * 3
        async with contextlib.aclosing(_blocks(client, seen=place["id"], causeType="hook", cause="none")) as blocks:
            while (block := await anext(blocks)) != {"id": told[-1]["id"]}:
                assert block.keys() == {"id"}


async def test_a_stream_begins_with_the_last_events_where_it_is_asked_to(working_yard: Taskyard) -> None:
    async with (
        serving(working_yard) as (address, _),
        httpx.AsyncClient(headers=ADMIN, base_url=f"http://{address}", trust_env=False, timeout=60) as client,
    ):
        await (await working_yard.start("add", {"a": 1, "b": 2})).result()
        _ = [event async for event in _stream(client, 3, after="0")]
        told = [event async for event in _stream(client, 2, last="2")]
        assert [event["event"] for event in told] == ["task.started", "task.completed"]


async def _stream(client: httpx.AsyncClient, count: int, **where: str) -> AsyncIterator[dict[str, str]]:
    """So many events."""
    async with contextlib.aclosing(_blocks(client, **where)) as blocks:
        while count:
            block = await anext(blocks)
            if "data" in block:
                count -= 1
                yield block


async def _blocks(
    client: httpx.AsyncClient, seen: str | None = None, **query: str
) -> AsyncGenerator[dict[str, str], None]:
    """What the stream tells, events and places, from the id on that was `seen` last."""
    headers = {"Accept": "text/event-stream"} | ({} if seen is None else {"Last-Event-ID": seen})
    block: dict[str, str] = {}
    async with asyncio.timeout(60), client.stream("GET", "/api/v1/events", params=query, headers=headers) as got:
        assert got.headers["content-type"].startswith("text/event-stream")
        async for line in got.aiter_lines():
            name, _, value = line.partition(": ")
            if name in ("id", "event", "data"):
                block[name] = value
            elif line == "" and block:
                yield block
                block = {}


# ---- the buffer of a slow client


def line(number: int) -> dict[str, Any]:
    return {"type": "log", "sequence": number, "at": "", "level": "info", "text": str(number)}


def state(number: int) -> dict[str, Any]:
    return {"type": "status", "sequence": number, "at": "", "status": "RUNNING"}


async def drain(buffer: Buffer) -> list[dict[str, Any]]:
    messages = []
    while taken := await buffer.take(7):
        messages += taken
    return messages


async def test_a_client_that_takes_gets_everything() -> None:
    buffer = Buffer(3)

    async def fill() -> None:
        for number in range(1000):
            await buffer.put(line(number))
        buffer.end()

    filling = asyncio.create_task(fill())
    assert [m["sequence"] for m in await drain(buffer)] == list(range(1000))
    await filling


async def test_of_long_lines_fewer_are_sent_at_once_so_that_a_slow_client_is_seen_to_take_them() -> None:
    buffer = Buffer(1000)

    async def fill() -> None:
        await buffer.put(*({**line(number), "text": "x" * 16_000} for number in range(1000)))
        buffer.end()

    filling = asyncio.create_task(fill())
    sizes = []
    while taken := await buffer.take(1000):
        sizes.append(sum(len(m["text"]) for m in taken))
    assert max(sizes) < 160_000
    assert sum(sizes) == 16_000_000
    await filling


async def test_a_client_that_stalls_is_told_what_it_missed() -> None:
    buffer = Buffer(3, patience=0.01)
    await buffer.put(state(0))
    for number in range(1, 11):
        await buffer.put(line(number))
    await buffer.put(state(11))
    buffer.end()
    told = await drain(buffer)
    assert [(m["type"], m["sequence"]) for m in told] == [("status", 0), ("gap", 9), ("log", 10), ("status", 11)]
    assert told[1]["skipped"] == 9


async def test_a_client_that_comes_back_is_waited_for_again() -> None:
    buffer = Buffer(2, patience=0.01)
    for number in range(5):
        await buffer.put(line(number))
    assert (await buffer.take())[0]["type"] == "gap"
    assert [m["sequence"] for m in await buffer.take(2)] == [3, 4]
    for number in (5, 6):
        await buffer.put(line(number))
    buffer.end()
    assert [m["sequence"] for m in await drain(buffer)] == [5, 6]


async def test_of_long_lines_few_are_kept_for_a_client_that_takes_none() -> None:
    buffer = Buffer(1000, patience=0.01)
    state = {"type": "status", "sequence": 0, "at": "", "status": "RUNNING"}
    lines = [{"type": "log", "sequence": n, "at": "", "text": "x" * 8192} for n in range(1, 900)]
    await buffer.put(state, *lines)
    buffer.end()
    first, gap, *kept = await drain(buffer)
    assert first == state
    assert gap["skipped"] + len(kept) == len(lines)
    assert 2**20 <= sum(len(line["text"]) for line in kept) < 2**20 + 8192
    assert kept[-1] == lines[-1]


async def test_a_stalled_follower_slows_no_task(working_yard: Taskyard, monkeypatch: pytest.MonkeyPatch) -> None:
    told = asyncio.Event()

    async def follow_to_the_end(*where: Any) -> AsyncIterator[list[dict[str, Any]]]:
        async for messages in follow_in_batches(*where):
            yield messages
        told.set()

    monkeypatch.setattr("taskyard.api.live.PATIENCE", 0.05)
    monkeypatch.setattr("taskyard.api.live.follow_in_batches", follow_to_the_end)
    async with serving(working_yard, buffer_size=10) as (address, _):
        task_id = await start(working_yard, "verbose", lines=4000)
        async with follow(address, task_id, max_queue=1, compression=None) as socket:
            async with asyncio.timeout(60):
                await told.wait()
            messages = await read_all(socket)
    kinds = [m["type"] for m in messages]
    assert kinds[-2:] == ["result", "end"]
    missed = sum(m["skipped"] for m in messages if m["type"] == "gap")
    assert kinds.count("log") + missed == 4000
    assert missed > 0


async def test_what_the_socket_sends_can_be_asked_for(working: Client) -> None:
    task_id = await working.create("chatty", {"lines": 3})
    messages: list[dict[str, Any]] = []
    while not any(message["type"] == "end" for message in messages):
        after = messages[-1]["sequence"] if messages else 0
        answer = await working.get(f"/api/v1/tasks/{task_id}/messages", params={"after": after, "wait": 5})
        messages += answer.json()["items"]
    assert [each["text"] for each in messages if each["type"] == "log"] == ["line 0", "line 1", "line 2"]
    sequences = [each["sequence"] for each in messages]
    assert sequences == sorted(sequences)
    assert (await working.get("/api/v1/tasks/1/messages")).status_code == 404


async def test_asking_ends_when_nothing_comes(client: Client) -> None:
    task_id = await client.create("sums", {"a": 1, "b": 2})
    first = (await client.get(f"/api/v1/tasks/{task_id}/messages")).json()["items"]
    assert [each["type"] for each in first] == ["status"]
    again = await client.get(f"/api/v1/tasks/{task_id}/messages", params={"after": first[0]["sequence"]})
    assert again.json()["items"] == []


@pytest.mark.parametrize("wait", [0, 5])
async def test_what_there_is_already_is_told_however_slow_the_store_is(
    client: Client, monkeypatch: pytest.MonkeyPatch, wait: float
) -> None:
    task_id = await client.create("sums", {"a": 1, "b": 2})

    async def read_slowly(*of: Any) -> Any:
        await asyncio.sleep(5 * live._PAUSE)
        return await read_story(*of)

    monkeypatch.setattr("taskyard.runtime.follow.read_story", read_slowly)
    answer = await client.get(f"/api/v1/tasks/{task_id}/messages", params={"wait": wait})
    assert [each["type"] for each in answer.json()["items"]] == ["status"]


async def test_changes_are_told_as_they_come(working_yard: Taskyard) -> None:
    async with serving(working_yard) as (address, _):
        async with connect(f"ws://{address}/ws/changes", additional_headers=ADMIN, proxy=None) as socket:
            run = await working_yard.start("chatty", {"lines": 1})
            told: set[str] = set()
            while run.id not in told:
                told |= set(json.loads(await asyncio.wait_for(socket.recv(), 60))["taskIds"])

"""Following a run: every message once and in order, from wherever one begins."""

import asyncio
from typing import Any

import pytest

from taskyard import Context, Run, TaskFailed, Taskyard
from taskyard.errors import NotFound
from tests.support import eventually

Messages = list[dict[str, Any]]


async def collect(run: Run[Any], after: int = 0) -> Messages:
    return [message async for message in run.follow(after)]


def kinds(messages: Messages) -> list[str]:
    """The messages in short: the type, and what a line or status says; progress left out, as it may skip."""
    told = []
    for message in messages:
        if message["type"] == "log":
            told.append(message["text"])
        elif message["type"] != "progress":
            told.append(f"{message['type']} {message.get('status', '')}".strip())
    return told


async def talk(ctx: Context, lines: int, fail_first: bool = False) -> str:
    for number in range(lines):
        ctx.log.info("%d.%d", ctx.attempt, number)
        ctx.progress(number + 1, lines)
        await asyncio.sleep(0.001)
    if fail_first and ctx.attempt == 1:
        raise ConnectionError("no")
    return "said"


EXPECTED = [
    "status PENDING", "status RUNNING", "1.0", "1.1", "1.2", "status RETRYING", "status RUNNING", "2.0", "2.1", "2.2",
    "status COMPLETED", "result COMPLETED", "end",
]  # fmt: skip


@pytest.fixture
def start(yard: Taskyard) -> Any:
    yard.register("talk", talk, retry={"maxRetries": 1, "initialDelay": 0})
    return lambda **input: yard.start("talk", {"lines": 3, "fail_first": True, **input})


async def test_live_and_afterwards_the_story_is_the_same(yard: Taskyard, start: Any) -> None:
    async with yard.worker():
        run = await start()
        live = await asyncio.wait_for(collect(run), 60)
        later = await collect(run)
        fresh = await collect(await yard.get(run.id))
    assert kinds(live) == kinds(later) == kinds(fresh) == EXPECTED
    result = live[-2]
    assert (result["status"], result["output"]) == ("COMPLETED", "said")


async def test_sequences_grow_and_every_message_has_its_time(yard: Taskyard, start: Any) -> None:
    async with yard.worker():
        messages = await collect(await start())
    sequences = [message["sequence"] for message in messages[:-1]]
    assert sequences == sorted(set(sequences))
    assert messages[-1]["sequence"] == sequences[-1]
    assert all(message["at"].endswith("Z") and len(message["at"]) == 24 for message in messages)
    progress = [message for message in messages if message["type"] == "progress"]
    assert progress[-1]["percent"] == 100


async def test_from_every_position_the_rest_comes_once(yard: Taskyard, start: Any) -> None:
    async with yard.worker():
        run = await start()
        story = await collect(run)
        for position, message in enumerate(story[:-1]):
            rest = await collect(run, message["sequence"])
            assert kinds(rest) == kinds(story[position + 1 :])
        assert kinds(await collect(run, story[-1]["sequence"])) == ["end"]


async def test_leaving_and_coming_back_at_every_message_misses_and_repeats_nothing(yard: Taskyard, start: Any) -> None:
    async with yard.worker():
        run = await start(lines=40)
        seen: Messages = []
        after = 0
        while not seen or seen[-1]["type"] != "end":
            async for message in run.follow(after):
                seen.append(message)
                after = message["sequence"]
                break
        assert kinds(seen) == kinds(await collect(run))
        numbers = [message["sequence"] for message in seen[:-1]]
        assert numbers == sorted(set(numbers))


async def test_many_followers_and_slow_ones_see_the_same(yard: Taskyard, start: Any) -> None:
    async def slowly(run: Run[Any]) -> Messages:
        messages = []
        async for message in run.follow():
            messages.append(message)
            await asyncio.sleep(0.005)
        return messages

    async with yard.worker():
        run = await start(lines=50)
        stories = await asyncio.gather(*(collect(run) for _ in range(5)), slowly(run))
    first, *others = map(kinds, stories)
    assert others == [first] * len(others)


async def test_a_failure_is_the_result_too(yard: Taskyard) -> None:
    @yard.task(retry=0)
    async def fail() -> None:
        raise ValueError("no")

    async with yard.worker():
        run = await fail.start()
        story = await collect(run)
        with pytest.raises(TaskFailed):
            await run.result()
    assert kinds(story) == ["status PENDING", "status RUNNING", "status FAILED", "result FAILED", "end"]
    assert story[-2]["error"]["message"] == "ValueError: no"


async def test_a_cancel_ends_it(yard: Taskyard) -> None:
    @yard.task
    async def wait(ctx: Context) -> None:
        ctx.log.info("waiting")
        await asyncio.Event().wait()

    async with yard.worker():
        run = await wait.start()
        following = asyncio.create_task(collect(run))
        await eventually(lambda: _runs(run))
        await run.cancel("enough")
        story = await asyncio.wait_for(following, 60)
    told = kinds(story)
    assert [told[0], *told[-3:]] == ["status PENDING", "status CANCELED", "result CANCELED", "end"]
    assert story[-2]["error"] == {"code": "CANCELED", "message": "enough"}


async def _runs(run: Run[Any]) -> bool:
    return (await run.refresh()).status == "RUNNING"


async def test_a_long_story_is_told_in_full(yard: Taskyard) -> None:
    @yard.task
    async def flood(ctx: Context) -> None:
        for number in range(3000):
            ctx.log.info("%d", number)

    async with yard.worker():
        run = await flood.start()
        live = await collect(run)
        assert kinds(live)[2:-3] == [str(number) for number in range(3000)]
        assert kinds(await collect(run)) == kinds(live)


async def test_a_follower_in_another_process_sees_it_live(yard: Taskyard, start: Any, another_yard: Any) -> None:
    watching = another_yard()
    async with watching, yard.worker():
        run = await start(lines=20)
        story = await asyncio.wait_for(collect(await watching.get(run.id)), 60)
    assert len(kinds(story)) == 2 + 20 + 2 + 20 + 3


async def test_an_unknown_run_is_not_found(yard: Taskyard, start: Any) -> None:
    async with yard:
        run = await start()
        run.id = "12"
        with pytest.raises(NotFound):
            await collect(run)

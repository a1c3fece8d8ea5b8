"""What a running task says of itself: progress and lines."""

import asyncio
import threading
from typing import Any

import pytest

from taskyard import Context, Run, TaskFailed, Taskyard
from taskyard.engine.query import list_lines
from taskyard.settings import Settings
from tests.support import eventually


async def texts(yard: Taskyard, run: Run[Any]) -> list[str]:
    return [line.text for line in await list_lines(yard.engine, int(run.id), 0, 100_000)]


async def test_progress_has_a_percentage_where_the_total_is_known(yard: Taskyard) -> None:
    go_on = asyncio.Event()

    @yard.task
    async def walk(ctx: Context) -> None:
        ctx.progress(1, 8, "walking")
        await go_on.wait()
        ctx.progress(12.5)

    async with yard.worker():
        run = await walk.start()
        assert run.progress is None
        await eventually(lambda: _has_progress(run))
        assert run.progress == {"current": 1, "total": 8, "action": "walking", "percent": 12.5}
        go_on.set()
        await run.result()
        assert run.progress == {"current": 12.5, "total": None, "action": None, "percent": None}


async def _has_progress(run: Run[Any]) -> bool:
    return (await run.refresh()).progress is not None


@pytest.mark.parametrize(("current", "total", "percent"), [(5, 4, 100), (0, 3, 0), (1, 3, 33.33), (1, 0, None)])
async def test_a_percentage_is_between_nothing_and_all(
    yard: Taskyard, current: float, total: float, percent: float | None
) -> None:
    @yard.task
    async def walk(ctx: Context) -> None:
        ctx.progress(current, total)

    async with yard.worker():
        run = await walk.start()
        await run.result()
        assert run.progress is not None
        assert run.progress["percent"] == percent


@pytest.mark.parametrize("current", ["half", float("nan"), float("inf"), None])
async def test_progress_that_is_no_number_is_the_handlers_error(yard: Taskyard, current: Any) -> None:
    @yard.task(retry=0)
    async def walk(ctx: Context) -> None:
        ctx.progress(current)

    @yard.task
    async def after(ctx: Context) -> str:
        ctx.progress(2**60, 2**70, "far\0\ud800")
        return "fine"

    async with yard.worker(concurrency=1):
        with pytest.raises(TaskFailed):
            await walk.run()
        assert await after.run() == "fine"


@pytest.mark.parametrize("least", ["DEBUG", "INFO", "WARNING"])
async def test_lines_have_levels_and_an_order(settings: Settings, least: str) -> None:
    yard = Taskyard(settings=settings.with_values(TASK_LOG_LEVEL=least))

    @yard.task
    async def talk(ctx: Context) -> None:
        ctx.log.debug("one")
        ctx.log.info("two %s %d", "and", 3)
        ctx.log.warning("100%")
        ctx.log.error({"four": 4})
        ctx.log("info", "five")
        ctx.log("loud", "six")

    async with yard.worker():
        run = await talk.start()
        await run.result()
        lines = await list_lines(yard.engine, int(run.id), 0, 100)
    said = [
        ("debug", "one"), ("info", "two and 3"), ("warning", "100%"), ("error", "{'four': 4}"), ("info", "five"),
        ("info", "six"),
    ]  # fmt: skip
    left_out = {"DEBUG": [], "INFO": ["debug"], "WARNING": ["debug", "info"]}[least]
    assert [(line.level, line.text) for line in lines] == [one for one in said if one[0] not in left_out]
    assert [line.sequence for line in lines] == sorted({line.sequence for line in lines})


async def test_of_control_sequences_only_colours_are_kept(yard: Taskyard) -> None:
    said = {
        "\x1b[1;31mred\x1b[0m": "\x1b[1;31mred\x1b[0m",
        "\x1b[38;5;12mblue\x1b[m": "\x1b[38;5;12mblue\x1b[m",
        "\x1b[2J\x1b[Hcleared": "cleared",
        "\x1b]0;a title\x07text": "text",
        "\x1b]8;;http://example.org\x1b\\link\x1b]8;;\x1b\\": "link",
        "back\x08space\rreturn": "backspacereturn",
        "nul\0 bell\x07 half \ud800": "nul bell half ",
        "right \u202eto left": "right to left",
        "tab\tand\nline": "tab\tand\nline",
    }

    @yard.task
    async def talk(ctx: Context) -> None:
        for line in said:
            ctx.log.info(line)

    async with yard.worker():
        run = await talk.start()
        await run.result()
        assert await texts(yard, run) == list(said.values())


async def test_a_flood_is_cut_off_and_says_so_and_very_long_lines_are_cut(yard: Taskyard) -> None:
    @yard.task
    async def flood(ctx: Context) -> str:
        ctx.log.info("x" * 100_000)
        for number in range(60_000):
            ctx.log.info("line %d", number)
            if number % 500 == 0:
                ctx.progress(number, 60_000)
                await asyncio.sleep(0)
        return "done"

    async with yard.worker():
        run = await flood.start()
        assert await run.result() == "done"
        lines = await texts(yard, run)
        assert len(lines[0]) == 8192
        assert 49_000 < len(lines) <= 50_000
        assert "the log is cut here" in lines[-1]
        assert run.progress is not None
        assert run.progress["current"] == 59_500


async def test_a_flood_of_few_but_long_lines_is_cut_off(yard: Taskyard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskyard.runtime.reporter._TEXT_PER_ATTEMPT", 20_000)

    @yard.task
    async def flood(ctx: Context) -> None:
        for _ in range(10):
            ctx.log.info("x" * 8192)

    async with yard.worker():
        run = await flood.start()
        await run.result()
        assert [len(line) for line in (await texts(yard, run))[:-1]] == [8192, 8192]
        assert "the log is cut here" in (await texts(yard, run))[-1]


async def test_an_attempt_may_talk_from_many_threads(yard: Taskyard) -> None:
    @yard.task
    def talk(ctx: Context) -> None:
        def say(name: str) -> None:
            for number in range(200):
                ctx.log.info("%s %d", name, number)

        threads = [threading.Thread(target=say, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    async with yard.worker():
        run = await talk.start()
        await run.result()
        lines = await texts(yard, run)
    assert len(lines) == len(set(lines)) == 800
    for name in "abcd":
        assert [line for line in lines if line.startswith(name)] == [f"{name} {number}" for number in range(200)]


async def test_what_an_abandoned_thread_still_says_is_not_heard(yard: Taskyard) -> None:
    let_go, done = threading.Event(), threading.Event()

    @yard.task(timeout=1, retry=0)
    def slow(ctx: Context) -> None:
        ctx.log.info("in time")
        let_go.wait(60)
        ctx.log.info("too late")
        ctx.progress(1)
        done.set()

    @yard.task
    async def after(ctx: Context) -> None:
        ctx.log.info("after")

    async with yard.worker(concurrency=1):
        run = await slow.start()
        with pytest.raises(TaskFailed):
            await run.result()
        let_go.set()
        await eventually(done.is_set)
        await after.run()
        assert await texts(yard, run) == ["in time"]
        assert (await run.refresh()).progress is None


async def test_each_attempt_keeps_its_lines(yard: Taskyard) -> None:
    @yard.task(retry={"maxRetries": 2, "initialDelay": 0})
    async def talk(ctx: Context) -> None:
        ctx.log.info("attempt %d", ctx.attempt)
        if ctx.attempt < 3:
            raise ValueError("no")

    async with yard.worker():
        run = await talk.start()
        await run.result()
        assert await texts(yard, run) == ["attempt 1", "attempt 2", "attempt 3"]

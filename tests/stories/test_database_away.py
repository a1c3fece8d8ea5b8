"""A database that goes away for a while: requests are refused, workers wait and go on, nothing is lost."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Literal

import pytest

from taskyard import Context, Run, Taskyard
from taskyard.errors import Overloaded
from taskyard.settings import load
from tests.servers.postgres import PostgresServer
from tests.stories.plant import yard as planted
from tests.stories.processes import SUPERVISED, Plant, count_of
from tests.stories.tools import events_of
from tests.support import eventually

Absence = Literal["stopped", "crashed", "paused"]

LEAVE: dict[Absence, Callable[[PostgresServer], None]] = {
    "stopped": lambda server: server.stop(),
    "crashed": lambda server: server.stop("immediate"),
    "paused": lambda server: server.pause(),
}
COME_BACK: dict[Absence, Callable[[PostgresServer], None]] = {
    "stopped": lambda server: server.start_again(),
    "crashed": lambda server: server.start_again(),
    "paused": lambda server: server.resume(),
}


@pytest.fixture
def away(postgres_server: PostgresServer) -> Callable[[Absence], Any]:
    """Have the server leave now; call what it returns to have it come back after so many seconds in all."""

    def leave(absence: Absence) -> Any:
        LEAVE[absence](postgres_server)
        left_at = time.monotonic()

        async def come_back(seconds: float) -> None:
            await asyncio.sleep(seconds - (time.monotonic() - left_at))
            COME_BACK[absence](postgres_server)

        return come_back

    return leave


def make_yard(url: str, folder: Any) -> Taskyard:
    return Taskyard(settings=load({}).with_values(TASKYARD_DATABASE_URL=url, TASKYARD_DATA_DIR=str(folder)))


async def work_through_an_absence(
    yard: Taskyard, away: Callable[[Absence], Any], absence: Absence, seconds: float
) -> None:
    ran: list[int] = []
    release = asyncio.Event()

    @yard.task
    async def job(ctx: Context, number: int) -> int:
        ctx.log.info("running %d", number)
        ran.append(number)
        if number < 3:
            await release.wait()
        return number

    async def submit_until_taken() -> Run[Any]:
        while True:
            try:
                return await job.start(number=99)
            except Overloaded as refused:
                refusals.append(refused)
                await asyncio.sleep(0.2)

    refusals: list[Overloaded] = []
    async with yard.worker(concurrency=4):
        runs = await job.start_many([{"number": n} for n in range(20)])
        delayed = await job.options(delay=1).start(number=50)
        await eventually(lambda: {0, 1, 2} <= set(ran))
        await eventually(lambda: _completed(runs[3]))
        heard: list[str] = []
        follower = asyncio.create_task(_listen(runs[0], heard))
        await eventually(lambda: heard)
        come_back = away(absence)
        try:
            late = asyncio.create_task(submit_until_taken())
            release.set()
        finally:
            await come_back(seconds)
        for run, number in [(run, n) for n, run in enumerate(runs)] + [(delayed, 50), (await late, 99)]:
            assert await asyncio.wait_for(run.result(), 60) == number
        await asyncio.wait_for(follower, 60)
        stories = [await events_of(yard, run) for run in runs]
    assert heard == ["running 0"]
    if absence != "paused":
        assert refusals
        assert all(refused.retry_after for refused in refusals)
    assert [count_of(story, "completed") for story in stories] == [1] * 20
    # A crash may take the last claims with it, and then what had begun runs again: at least once, completed once.
    assert sorted(set(ran)) == [*range(20), 50, 99]
    assert len(ran) - len(set(ran)) <= 4


async def _completed(run: Run[Any]) -> bool:
    return (await run.refresh()).status == "COMPLETED"


async def _listen(run: Run[Any], heard: list[str]) -> None:
    async for message in run.follow():
        if message["type"] == "log":
            heard.append(message["text"])


@pytest.mark.parametrize("absence", ["stopped", "crashed", "paused"])
async def test_the_database_is_away_for_some_seconds(
    postgres_url: str, tmp_path: Any, away: Callable[[Absence], Any], absence: Absence
) -> None:
    await work_through_an_absence(make_yard(postgres_url, tmp_path), away, absence, 8 if absence == "stopped" else 3)


@pytest.mark.real
@pytest.mark.parametrize("absence", ["stopped", "crashed", "paused"])
async def test_the_database_is_away_for_half_a_minute(
    postgres_url: str, tmp_path: Any, away: Callable[[Absence], Any], absence: Absence
) -> None:
    await work_through_an_absence(make_yard(postgres_url, tmp_path), away, absence, 30)


@pytest.mark.parametrize("seconds", [6, pytest.param(30, marks=pytest.mark.real)])
async def test_worker_processes_wait_for_the_database_and_go_on(
    postgres_url: str, tmp_path: Any, away: Callable[[Absence], Any], seconds: float
) -> None:
    yard = make_yard(postgres_url, tmp_path)
    for handler in planted.registry:
        yard.registry.add(handler)
    async with yard:
        plant = Plant(yard, postgres_url, tmp_path)
        runs = await yard.start_many("tick", [{"number": n} for n in range(200)])
        with plant.worker([*SUPERVISED, "--processes", "2"]) as process:
            await plant.ledger_has("done", 50)
            await away("stopped")(seconds)
            assert await plant.all_final(runs) == {"COMPLETED": 200}
            process.terminate()
            await eventually(lambda: process.poll() is not None)
            assert process.returncode == 0
        stories = await plant.stories(runs)
    assert [count_of(story, "completed") for story in stories] == [1] * 200
    assert sorted({int(number) for number in plant.ledger("done")}) == list(range(200))

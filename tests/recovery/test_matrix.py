"""Each thing that can befall a process or the database, for each kind of worker, on each store.

`make test` has things befall one kind of worker each, with wide bounds, as other tests share the cores (the outages of
the database are in `test_reconnecting.py`); `make real` has all befall all, and holds each to what is promised.
"""

import os
import signal
import time
from collections.abc import Awaitable, Callable

import pytest

from tests.recovery.judge import FULL_RATE_WITHIN, RUNS_AGAIN_WITHIN, judge
from tests.recovery.scene import Crew, Scene, kill
from tests.support import eventually

pytestmark = pytest.mark.timeout(600)

TAKES_OVER_WITHIN = 10.0
LEASE = 12.5
"""Seconds after which whoever has not been heard of is given up."""
AWAY = 30.0

CREWS: tuple[Crew, ...] = ("supervised", "embedded", "http")


async def pass_time(seconds: float) -> None:
    begin = time.monotonic()
    await eventually(lambda: time.monotonic() > begin + seconds, within=2 * seconds)


async def kill_a_worker(scene: Scene, crew: Crew) -> float:
    return kill(scene.worker_pids(crew)[0])


async def kill_a_server_with_its_workers(scene: Scene, crew: Crew) -> float:
    url = next(iter(scene.servers))
    struck_at = kill(*scene.tree(url))
    await scene.done(20)
    scene.serve(worker=crew != "http", port=int(url.rpartition(":")[2]))
    await scene.at_work()
    return struck_at


async def freeze_a_worker(scene: Scene, crew: Crew) -> float:
    victim = scene.worker_pids(crew)[0]
    struck_at = await scene.freeze(victim)
    await pass_time(LEASE)
    os.kill(victim, signal.SIGCONT)
    return struck_at


async def stop_a_worker(scene: Scene, crew: Crew) -> None:
    process = scene.workers[crew][0]
    process.terminate()
    await scene.ended(process)
    assert process.returncode == 0


async def kill_the_leader(scene: Scene, crew: Crew) -> float:
    leader = scene.leader()
    struck_at = kill(leader)
    assert await scene.led_by_another(leader) - struck_at <= scene.slack * TAKES_OVER_WITHIN
    return struck_at


async def kill_the_database(scene: Scene, crew: Crew) -> None:
    rate = await scene.usual_rate()
    scene.server.stop("killed")
    scene.server.start_again()
    assert await scene.full_rate(time.time(), rate) <= FULL_RATE_WITHIN


async def end_all_sessions(scene: Scene, crew: Crew) -> None:
    rate = await scene.usual_rate()
    assert scene.server.terminate_backends(scene.url) > 0
    assert await scene.full_rate(time.time(), rate) <= FULL_RATE_WITHIN


async def take_the_database_away(scene: Scene, crew: Crew) -> None:
    rate = await scene.usual_rate()
    scene.server.stop("killed")
    await pass_time(AWAY)
    scene.server.start_again()
    assert await scene.full_rate(time.time(), rate) <= FULL_RATE_WITHIN
    assert scene.load.refused


Strike = Callable[[Scene, Crew], Awaitable[float | None]]
"""What happens; it returns when, if tasks may be lost by it."""

ON_ANY_STORE: list[Strike] = [
    kill_a_worker,
    kill_a_server_with_its_workers,
    freeze_a_worker,
    stop_a_worker,
    kill_the_leader,
]
TO_THE_DATABASE: list[Strike] = [kill_the_database, end_all_sessions, take_the_database_away]


SHORT: list[tuple[Strike, Crew]] = [
    (kill_a_worker, "supervised"),
    (freeze_a_worker, "embedded"),
    (kill_the_leader, "supervised"),
    (kill_a_server_with_its_workers, "http"),
]
SLACK = 6.0


async def endure(scene: Scene, crew: Crew, strike: Strike) -> None:
    if strike is kill_a_server_with_its_workers and crew != "http":
        scene.serve(worker=True)
        await scene.at_work()
    await scene.cast(crew)
    async with scene.loaded():
        struck_at = await strike(scene, crew)
        await scene.done(40)
    verdict = await judge(scene.yard, scene.plant, scene.load)
    if struck_at is None:
        assert verdict.charged == []
        return
    assert verdict.longest_pause(struck_at) <= scene.slack * RUNS_AGAIN_WITHIN
    if crew == "supervised":  # of others it is not known what had begun, nor of a process whether its child had
        assert [one for one in verdict.unfounded() if one.key != "processed"] == []


@pytest.mark.parametrize(("strike", "crew"), SHORT, ids=lambda one: getattr(one, "__name__", one))
async def test_each_thing_befalls_somebody(scene: Scene, strike: Strike, crew: Crew) -> None:
    scene.slack = SLACK
    await endure(scene, crew, strike)


@pytest.mark.real
@pytest.mark.parametrize("crew", CREWS)
@pytest.mark.parametrize("strike", ON_ANY_STORE, ids=lambda strike: strike.__name__)
async def test_what_befalls_processes(scene: Scene, crew: Crew, strike: Strike) -> None:
    await endure(scene, crew, strike)


@pytest.mark.real
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("crew", CREWS)
@pytest.mark.parametrize("strike", TO_THE_DATABASE, ids=lambda strike: strike.__name__)
async def test_what_befalls_the_database(scene: Scene, crew: Crew, strike: Strike) -> None:
    await endure(scene, crew, strike)

"""All that can befall the processes on one database, befalling several of every kind at once.

The bounds are wide, as many processes share the cores; `test_matrix.py` holds each to what is promised.
"""

import os
import signal
import time

import pytest

from tests.recovery import judge as promised
from tests.recovery.judge import judge
from tests.recovery.scene import Crew, Scene, kill
from tests.support import eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

CREWS: tuple[Crew, ...] = ("supervised", "embedded", "http")
SLACK = 6.0
RUNS_AGAIN_WITHIN = SLACK * promised.RUNS_AGAIN_WITHIN
FULL_RATE_WITHIN = SLACK * promised.FULL_RATE_WITHIN
TAKES_OVER_WITHIN = SLACK * 10.0
AWAY = 12.0


async def test_workers_of_every_kind_die_freeze_and_stop(scene: Scene) -> None:
    """One of each kind is killed while another is frozen for longer than its lease; then one of each kind stops."""
    await scene.cast(*CREWS)
    async with scene.loaded():
        killed = [scene.worker_pids(crew)[0] for crew in CREWS]
        frozen = [scene.worker_pids(crew)[-1] for crew in CREWS]
        await scene.freeze(*frozen)
        struck_at = kill(*killed)
        await eventually(lambda: time.time() > struck_at + 12.5, within=20)
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
        await scene.done(20)
        stopped = [scene.workers[crew][1] for crew in CREWS]
        for process in stopped:
            process.terminate()
        for process in stopped:
            await scene.ended(process)
            assert process.returncode == 0
        await scene.done(20)
        scene.start("http")
    verdict = await judge(scene.yard, scene.plant, scene.load)
    assert verdict.charged
    assert verdict.longest_pause(struck_at) <= RUNS_AGAIN_WITHIN


async def test_leaders_die_and_freeze(scene: Scene) -> None:
    """The leader, a server with a worker beside it, is killed with it; the next leader is frozen, and wakes up."""
    url = scene.serve(worker=True)
    await scene.at_work()
    await scene.cast("embedded")
    async with scene.loaded():
        first = scene.leader()
        assert first == scene.servers[url].pid
        struck_at = kill(*scene.tree(url))
        assert await scene.led_by_another(first) - struck_at <= TAKES_OVER_WITHIN
        second = scene.leader()
        frozen_at = await scene.freeze(second)
        assert await scene.led_by_another(second) - frozen_at <= TAKES_OVER_WITHIN
        os.kill(second, signal.SIGCONT)
        await scene.done(40)
        scene.serve(worker=True, port=int(url.rpartition(":")[2]))
    verdict = await judge(scene.yard, scene.plant, scene.load)
    assert verdict.longest_pause(struck_at) <= RUNS_AGAIN_WITHIN


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_the_database_drops_everybody_dies_and_stays_away(scene: Scene) -> None:
    """All sessions are ended; then its processes are killed and it starts again; then it is away for 12 s."""
    await scene.cast(*CREWS, count=1)
    server = scene.server
    async with scene.loaded():
        rate = await scene.usual_rate()
        assert server.terminate_backends(scene.url) > 0
        assert await scene.full_rate(time.time(), rate) <= FULL_RATE_WITHIN
        server.stop("killed")
        server.start_again()
        assert await scene.full_rate(time.time(), rate) <= FULL_RATE_WITHIN
        server.stop("killed")
        left_at = time.time()
        await eventually(lambda: time.time() > left_at + AWAY, within=2 * AWAY)
        server.start_again()
        assert await scene.full_rate(time.time(), rate) <= FULL_RATE_WITHIN
    verdict = await judge(scene.yard, scene.plant, scene.load)
    assert scene.load.refused
    assert verdict.charged == []

"""Promises about many servers and workers on one database."""

from collections import Counter

import pytest

from taskyard.client import AsyncTaskyardClient
from tests.recovery.conftest import database_url, postgres_url, scene, settings
from tests.recovery.judge import judge
from tests.recovery.scene import Scene

__all__ = ["database_url", "postgres_url", "scene", "settings"]

COUNT = 200


@pytest.mark.timeout(300)
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_workers_of_several_machines_share_one_postgresql(scene: Scene) -> None:
    """task-execution-layer.md § Operational Considerations › Scalability: tasks are spread, each completed once."""
    urls = [scene.serve(), scene.serve()]
    await scene.cast("supervised")
    for turn, url in enumerate(urls):
        async with AsyncTaskyardClient(url, scene.token) as client:
            numbers = range(turn * COUNT, (turn + 1) * COUNT)
            for run in await client.start_many("quick", [{"number": number} for number in numbers]):
                scene.load.ids[len(scene.load.ids)] = int(run.id)
    verdict = await judge(scene.yard, scene.plant, scene.load)
    assert verdict.charged == []
    assert len(verdict.began()) <= 2 * COUNT + 2  # the two of the judge
    pairs = [(task_id, 1) for task_id in scene.load.ids.values()]
    worked = Counter(fact.worker for fact in await scene.yard.engine.store.attempt_facts(pairs))
    assert len(worked) == 4
    assert min(worked.values()) >= COUNT / 20

"""A yard beside another orchestrator, of either kind, and the bridges between them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

from taskyard import Context, TaskFailed, Taskyard
from taskyard.contracts.records import Filter
from taskyard.domain.lifecycle import FINAL
from taskyard.domain.task import Task
from taskyard.engine.query import list_tasks
from taskyard.orchestrators.camunda7.client import Camunda
from taskyard.orchestrators.camunda7.external import ExternalTasks
from taskyard.orchestrators.camunda8.client import Zeebe
from taskyard.orchestrators.camunda8.jobs import Jobs
from taskyard.orchestrators.holding import Holding
from taskyard.security.egress.client import Egress
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.rules import Rules
from tests.orchestrators.engine import StubEngine, Work
from tests.orchestrators.zeebe import WORDS, StubZeebe, ZeebeJob
from tests.promises.fixtures_b import new_yard
from tests.security.egress.receiver import receiving
from tests.support import eventually

HOLD = 0.8
"""Seconds that work is held."""


class Kind(NamedTuple):
    """A kind of orchestrator: its stub, and how a bridge to the one at an address is made."""

    stub: Callable[[], Any]
    bridge: Callable[[Taskyard, str, Egress], Holding]


def _camunda7(yard: Taskyard, url: str, egress: Egress) -> Holding:
    return ExternalTasks(yard.engine, Camunda(f"{url}/engine-rest", egress, lock_seconds=HOLD))


def _camunda8(yard: Taskyard, url: str, egress: Egress) -> Holding:
    return Jobs(yard.engine, Zeebe(url, egress, hold_seconds=HOLD))


KINDS = {"camunda7": Kind(StubEngine, _camunda7), "camunda8": Kind(StubZeebe, _camunda8)}


class Scene:
    """`stub` is the orchestrator; `release` lets the tasks of `held` end."""

    def __init__(self, yard: Taskyard, kind: Kind, stub: Any, url: str, egress: Egress) -> None:
        self.yard = yard
        self.stub = stub
        self.release = asyncio.Event()
        self._kind = kind
        self._url = url
        self._egress = egress
        self._bridges: list[Holding] = []

    def bridge(self) -> Holding:
        made = self._kind.bridge(self.yard, self._url, self._egress)
        made.start()
        self._bridges.append(made)
        return made

    def add(self, key: str, retries: int = 1, **variables: Any) -> Any:
        work = self.stub.add(key, **variables)
        work.retries = retries
        return work

    async def ended(self, work: Work | ZeebeJob) -> tuple[str, dict[str, Any]]:
        """What was said of it last, once it has ended or nobody tries it any more."""
        await eventually(lambda: work.ended is not None or work.retries == 0)
        return said(work)[-1]

    async def tasks(self) -> list[Task]:
        return (await list_tasks(self.yard.engine, Filter(), 200, None)).items

    async def is_done(self) -> bool:
        """Whether all tasks are."""
        return all(task.status in FINAL for task in await self.tasks())

    async def stop(self) -> None:
        for each in self._bridges:
            await each.stop()


def said(work: Work | ZeebeJob) -> list[tuple[str, dict[str, Any]]]:
    """What was said of it, in Camunda 7's words and without its types."""
    return [(WORDS.get(verb, verb), _untyped(body)) for verb, body in work.said]


def _untyped(body: dict[str, Any]) -> dict[str, Any]:
    variables = {
        name: value["value"] if isinstance(value, dict) and "valueInfo" in value else value
        for name, value in body.get("variables", {}).items()
    }
    return {**body, "variables": variables} if "variables" in body else body


@contextlib.asynccontextmanager
async def bridged(kind: Kind, folder: Path) -> AsyncIterator[Scene]:
    """A scene with tasks that work, take their time, break and refuse."""
    yard, stub = new_yard(folder), kind.stub()
    egress = Egress(Guard(Rules.parse(["127.0.0.1"])))
    async with receiving(stub.serve) as receiver:
        scene = Scene(yard, kind, stub, f"http://127.0.0.1:{receiver.port}", egress)
        _register(yard, scene)
        async with yard.worker():
            yield scene
            await scene.stop()
    await egress.aclose()


def _register(yard: Taskyard, scene: Scene) -> None:
    @yard.task
    async def charge(amount: int) -> dict[str, int]:
        return {"charged": amount + 1}

    @yard.task
    async def held() -> str:
        await scene.release.wait()
        return "done"

    @yard.task(retry=0)
    async def broken() -> None:
        raise RuntimeError("it is broken")

    @yard.task
    async def refused() -> None:
        raise TaskFailed("the card was refused", code="card-refused", details={"limit": 100}, retryable=False)

    @yard.task
    async def patient(ctx: Context) -> None:
        await asyncio.Event().wait()

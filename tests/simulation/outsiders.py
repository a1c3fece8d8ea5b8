"""Those who come from outside: clients, workers that hold leases over HTTP, and people."""

from __future__ import annotations

import asyncio
import contextlib
from random import Random
from typing import TYPE_CHECKING, Any

from taskyard.app import App
from taskyard.contracts.records import Filter
from taskyard.domain.lifecycle import FINAL, State
from taskyard.domain.outcome import Handed, TaskError
from taskyard.domain.policy import ExecutionConfig
from taskyard.domain.queue import Queue
from taskyard.engine import assign, lease
from taskyard.engine.cancel import cancel
from taskyard.engine.engine import Engine
from taskyard.engine.people import verbs
from taskyard.engine.query import get_task
from taskyard.engine.request import Assignee, TaskRequest
from taskyard.engine.requeue import retry
from taskyard.engine.submit import submit, submit_many
from taskyard.errors import Overloaded, StaleLease, TaskyardError
from taskyard.executors.function.errors import TaskFailed
from taskyard.runtime.follow import follow, wait_final
from taskyard.security.caller import ADMIN, Caller
from taskyard.security.lease import LeaseSigner
from tests.simulation.loop import Process
from tests.simulation.plant import opened
from tests.simulation.work import RETRY, TIMEOUT, act, act_of, some_plan, some_time

if TYPE_CHECKING:
    from tests.simulation.world import World

_AGAIN = 0.5
_TRIES = 30
_POSTPONED, _HANDED_OVER = 0.1, 0.2
_SIGNER = LeaseSigner(b"simulated" * 4)
_KEYS = ["plain"] * 4 + ["limited"] * 3 + ["threaded", "rescued", "parent", "remote", "person"]
_PAUSABLE = (Queue.AUTOMATED, Queue.RETRY)


class Outsider:
    """A process outside that works with the app's verbs until it is told to stop."""

    def __init__(self, world: World, name: str, random: Random) -> None:
        self.world = world
        self.random = random
        self.name = name
        self.caller = Caller(name, frozenset({ADMIN}))
        self.process: Process = world.process(name)
        self.stopping = self.gone = False
        world.spawn(self.process, self._live())

    async def turn(self, app: App) -> None:
        """One thing that it does."""
        raise NotImplementedError

    async def _live(self) -> None:
        while not self.stopping:
            with contextlib.suppress(TaskyardError):
                async with opened(self.world.app()) as app:
                    await self._go_on(app)
            await asyncio.sleep(_AGAIN)
        self.gone = True

    async def _go_on(self, app: App) -> None:
        while not self.stopping:
            try:
                await self.turn(app)
            except Overloaded:
                await asyncio.sleep(_AGAIN)
            except TaskyardError as refusal:
                self.world.ledger.note(self.process, f"is told {refusal.code}")


class Client(Outsider):
    """Submits, cancels, retries, waits and follows."""

    async def turn(self, app: App) -> None:
        await asyncio.sleep(self.random.random() * 1.2)
        deeds = [self._submit] * 4 + [
            self._submit_many,
            self._cancel,
            self._retry,
            self._retry,
            self._pause,
            self._watch,
        ]
        await self.random.choice(deeds)(app.engine, app)

    async def _submit(self, engine: Engine, app: App) -> None:
        request = self._request() if self.random.random() < 0.8 else self._request_by_key()
        told = await submit(engine, request, self.caller)
        self._accepted(told.task.task_id, request)
        key = request.idempotency_key
        if key is not None:
            self.world.ledger.idempotent[f"{key} of {self.name}"].add(int(told.task.task_id))

    async def _submit_many(self, engine: Engine, app: App) -> None:
        key = self.random.choice([None, "limited"])
        requests = [self._request(key) for _ in range(self.random.randrange(2, 7))]
        for told, request in zip(await submit_many(engine, requests, self.caller), requests, strict=True):
            self._accepted(told.task.task_id, request)

    def _accepted(self, task_id: str, request: TaskRequest) -> None:
        self.world.ledger.accepted[int(task_id)] = request
        self.world.ledger.note(self.process, f"is promised {request.task_definition_id} {task_id}")

    def _request(self, key: str | None = None) -> TaskRequest:
        random = self.random
        key = key or random.choice(_KEYS)
        request = TaskRequest(task_definition_id=key, input=self._input(key))
        request.priority = random.choice([None, None, "LOW", "HIGH", "CRITICAL"])
        if key == "person":
            request.assignee = Assignee("USER", "ada")
        if random.random() < 0.2:
            request.delay = round(random.uniform(0.1, 5.0), 3)
        if random.random() < 0.2 and key != "limited":
            request.concurrency_key = random.choice("xy")
        if random.random() < 0.2:
            request.fairness_key = random.choice("abc")
        if random.random() < 0.1 and key != "parent":
            request.execution_config = ExecutionConfig(timeout=TIMEOUT / 2, retry_policy={**RETRY, "maxRetries": 0})
        return request

    def _request_by_key(self) -> TaskRequest:
        key = f"key {self.random.randrange(20)}"
        return TaskRequest(
            task_definition_id="plain", input={"plan": ["raise", "ok"], "seconds": 0.1}, idempotency_key=key
        )

    def _input(self, key: str) -> Any:
        if key == "person":
            return None
        if key == "parent":
            children = [{"plan": some_plan(self.random)["plan"]} for _ in range(self.random.randrange(1, 4))]
            return {"children": children, "seconds": some_time(self.random)}
        return some_plan(self.random)

    async def _cancel(self, engine: Engine, app: App) -> None:
        task_id = self._some_task()
        await cancel(engine, task_id, self.name)
        self.world.ledger.canceled.add(task_id)
        self.world.ledger.note(self.process, f"is told that {task_id} is canceled")

    async def _retry(self, engine: Engine, app: App) -> None:
        dead = await engine.store.dead(5, None, None)
        task_id = self.random.choice(dead.ids) if dead.ids else self._some_task()
        self.world.ledger.hurried.add(task_id)
        await retry(engine, task_id, self.name)

    async def _pause(self, engine: Engine, app: App) -> None:
        queue = self.random.choice(_PAUSABLE)
        with contextlib.suppress(Overloaded):  # which may be the answer only
            await engine.store.pause(queue, True)
        await asyncio.sleep(self.random.random() * 3)
        await self.patiently(engine.store.pause, queue, False)

    async def _watch(self, engine: Engine, app: App) -> None:
        """Follow a task in two goes, or wait for it."""
        task_id = self._some_task()
        if self.random.random() < 0.5:
            task = await wait_final(engine, app.watcher, task_id)
            self.world.ledger.note(self.process, f"is told that {task_id} is {task.status}")
            self.world.ledger.told_final[task_id].add(task.status)
            return
        heard: list[tuple[str, int]] = []
        self.world.ledger.heard.append((task_id, heard))
        for _ in range(2):
            after = heard[-1][1] if heard else 0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.random.random() * 5):
                    async for message in follow(engine, app.watcher, task_id, after):
                        heard.append((message["type"], message["sequence"]))

    def _some_task(self) -> int:
        known = list(self.world.ledger.accepted)
        if not known:
            raise Overloaded("there is none yet")
        return self.random.choice(known[-12:])

    async def patiently(self, verb: Any, *args: Any) -> Any:
        """Ask until there is an answer."""
        while True:
            try:
                return await verb(*args)
            except Overloaded:
                await asyncio.sleep(_AGAIN)


class Holder(Outsider):
    """A worker in another language: dequeues, works, and reports under its lease, if it comes to that."""

    async def turn(self, app: App) -> None:
        random = self.random
        keys = random.choice([["remote"], ["remote", "plain"], ["remote", "limited"], None])
        request = lease.DequeueRequest(
            worker_id=self.name,
            max_messages=random.randrange(1, 4),
            visibility_timeout=random.uniform(2.0, 6.0),
            wait_time=random.random() * 2,
            task_definition_ids=keys or ["remote"],
        )
        messages = await lease.dequeue(app.engine, _SIGNER, self.caller, Queue.AUTOMATED, request)
        await asyncio.gather(*(self._serve(app.engine, message) for message in messages))
        await asyncio.sleep(random.random())

    async def _serve(self, engine: Engine, message: dict[str, Any]) -> None:
        task_id, attempt = int(message["taskId"]), message["dequeueCount"]
        plan, seconds = message["input"]["plan"], message["input"]["seconds"]
        with self.world.ledger.body(task_id, attempt, message["taskDefinitionId"]) as body:
            name = act_of(plan, attempt)
            if name in ("hang", "stubborn", "blurt"):  # nobody stops it
                name, seconds = "ok", self.random.random() * 2 * message["visibilityTimeout"]
            if self.random.random() < 0.3:
                await self._say(engine, task_id, message["leaseToken"])
            try:
                value, failure = await act(body, name, seconds), None
            except Exception as error:  # noqa: BLE001 - as planned
                value, failure = None, error
        await self._report(engine, task_id, attempt, message["leaseToken"], value, failure)

    async def _say(self, engine: Engine, task_id: int, token: str) -> None:
        beat = lease.HeartbeatRequest(lease_token=token, visibility_timeout=4.0, logs=[lease.LogLine("working")])
        with contextlib.suppress(TaskyardError):
            await lease.heartbeat(engine, _SIGNER, self.caller, task_id, beat)

    async def _report(
        self, engine: Engine, task_id: int, attempt: int, token: str, value: Any, failure: Exception | None
    ) -> None:
        """Say it until there is an answer."""
        lot = self.random.random()
        for _ in range(_TRIES):
            try:
                await self._say_how_it_ended(engine, task_id, token, lot, value, failure)
            except Overloaded:
                await asyncio.sleep(_AGAIN)
            except StaleLease:
                self.world.ledger.note(self.process, f"came too late with {task_id}/{attempt}")
                return
            else:
                if failure is None and lot >= _HANDED_OVER:
                    self.world.ledger.completed_by[task_id, attempt] = value
                self.world.ledger.note(self.process, f"has reported {task_id}/{attempt}")
                return

    async def _say_how_it_ended(
        self, engine: Engine, task_id: int, token: str, lot: float, value: Any, failure: Exception | None
    ) -> None:
        if lot < _POSTPONED:
            await lease.postpone(engine, _SIGNER, self.caller, task_id, token, 1.0, None)
        elif lot < _HANDED_OVER:
            held = lease.read_token(_SIGNER, self.caller, task_id, token)
            await lease.hand_over(engine, held, Handed(to_person=False, correlation_id=str(task_id)))
        elif failure is None:
            await lease.complete(engine, _SIGNER, self.caller, task_id, token, value)
        else:
            retryable = failure.retryable if isinstance(failure, TaskFailed) else None
            error = TaskError("EXECUTION_ERROR", "as planned", retryable=retryable)
            await lease.fail(engine, _SIGNER, self.caller, task_id, token, error)


class Person(Outsider):
    """Ends what waits for a person or for an answer, or hands it on."""

    async def turn(self, app: App) -> None:
        await asyncio.sleep(self.random.random() * 2)
        waiting = frozenset({State.ASSIGNED, State.WAITING})
        page = await app.engine.store.find(Filter(status=waiting), 20, None)
        for task_id in page.ids:
            await self._end(app.engine, task_id)

    async def _end(self, engine: Engine, task_id: int) -> None:
        lot = self.random.random()
        try:
            if lot < 0.6:
                await assign.complete_open(engine, self.caller, task_id, {"by": self.name})
            elif lot < 0.8:
                await assign.fail_open(engine, self.caller, task_id, TaskError("REJECTED", "no"))
            elif (await get_task(engine, task_id)).status not in FINAL:
                await verbs.reassign(engine, self.caller, task_id, verbs.Reassignment("USER", "bob"))
        except Overloaded:
            raise
        except TaskyardError as refusal:
            self.world.ledger.note(self.process, f"may not end {task_id}: {refusal.code}")

"""The target Kubernetes."""

from __future__ import annotations

import asyncio
import contextlib
import fnmatch
import math
from collections.abc import AsyncIterator, Callable, Iterator
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec
import structlog

from taskyard.calls.breakers import Breakers
from taskyard.contracts.clock import Clock
from taskyard.contracts.target import Call, Observer, Standing
from taskyard.domain.implementation import Kubernetes
from taskyard.domain.outcome import Failed, Report, TaskError
from taskyard.domain.token import token_of
from taskyard.errors import CallFailed, CircuitOpen, TaskyardError
from taskyard.executors.script.hearing import Hearing, too_much, waits_for
from taskyard.executors.script.kubernetes import manifest, verdict
from taskyard.executors.script.kubernetes.client import KubeClient, Refused
from taskyard.executors.script.kubernetes.ending import delete, delete_abandoned
from taskyard.executors.script.kubernetes.log import LogLines
from taskyard.executors.script.shipping import SHIPPED, shipped

JsonObject = dict[str, Any]
_LEAST_LOG_BYTES = 1 << 20
_LET_GO_SECONDS = 10.0

log = structlog.get_logger("taskyard.kubernetes")


class Rules(NamedTuple):
    """What definitions may ask for: images (as patterns) and service accounts.

    `runner`: the image that runs scripts, empty for none.
    In seconds: how often the cluster is looked at, how long a job that nobody follows is kept, how often such are
    looked for.
    """

    images: tuple[str, ...] = ("*",)
    service_accounts: tuple[str, ...] = ()
    look_soonest: float = 0.2
    look_latest: float = 2.0
    abandoned_after: float = 120.0
    tidy_every: float = 60.0
    runner: str = ""


class KubernetesTarget:
    """Runs containers as jobs. A job has the same name in all attempts of its task, until it is requeued: one that a
    lost worker left is followed further, and one that nobody follows any more is deleted by whoever finds it.
    """

    name = "kubernetes"

    def __init__(self, open_client: Callable[[], KubeClient], breakers: Breakers, clock: Clock, rules: Rules) -> None:
        self._open_client = open_client
        self._circuit = breakers.circuit("kubernetes")
        self._clock = clock
        self._rules = rules
        self.kinds = frozenset({"kubernetes"}) | (SHIPPED if rules.runner else frozenset())
        self._opened: KubeClient | None = None
        self._tidying: asyncio.Task[None] | None = None

    async def run(self, call: Call, observer: Observer) -> Report:
        """See the contract."""
        observer.placed(self.name)
        if call.kind in SHIPPED:
            sent = shipped(call, {"kind": "kubernetes", "image": self._rules.runner}, self.name)
            if isinstance(sent, Failed):
                return sent
            call = sent
        asked = msgspec.convert(call.implementation, Kubernetes)
        refused = self._refused(asked, call)
        if refused is not None:
            return refused
        name = manifest.name_of(call)
        try:
            async with asyncio.timeout(None if math.isinf(call.wall) else call.wall) as limit:
                await self._submitted(call, asked)
                async with self._held(call):
                    report = await self._follow(name, call, observer)
                    limit.reschedule(None)
                    return report
        except TimeoutError:
            return Failed(TaskError("TIMEOUT", f"the container took longer than its {call.wall:g} s"))
        except CircuitOpen as open_:
            return waits_for(open_)
        except Refused as error:
            return Failed(TaskError("SANDBOX_ERROR", error.message, {"reason": error.reason}, retryable=False))
        except CallFailed as error:
            return Failed(TaskError("SANDBOX_ERROR", error.message, retryable=error.retryable))

    async def standings(self) -> list[Standing]:
        """See the contract."""
        try:
            await self._client.jobs(f"{manifest.SELECTOR},{manifest.TASK}=0")
        except TaskyardError as error:
            mend = "mend TASKYARD_KUBERNETES, or its account's rights"
            return [Standing(kind, "", error.message, mend) for kind in sorted(self.kinds)]
        return [Standing(kind, self.name) for kind in sorted(self.kinds)]

    async def start(self) -> None:
        """See the contract: orphans are looked for now and then, so that the cluster may be away meanwhile."""
        self._tidying = asyncio.create_task(self._tidy(), name="taskyard-kubernetes")

    async def stop(self) -> None:
        """See the contract."""
        if self._tidying is not None:
            self._tidying.cancel()
            await asyncio.gather(self._tidying, return_exceptions=True)
        if self._opened is not None:
            await self._opened.aclose()
            self._opened = None

    @property
    def _client(self) -> KubeClient:
        if self._opened is None:
            self._opened = self._open_client()
        return self._opened

    def _refused(self, asked: Kubernetes, call: Call) -> Failed | None:
        if len(call.input) > manifest.MOST_INPUT:
            message = f"the input has {len(call.input)} bytes, and a cluster takes {manifest.MOST_INPUT}"
            return Failed(TaskError("VALIDATION_ERROR", f"{message}; hand over large data by a file"))
        if not any(fnmatch.fnmatchcase(asked.image, pattern) for pattern in (*self._rules.images, self._rules.runner)):
            message = f"the image {asked.image} may not run here; the operator has to allow it in"
            return Failed(TaskError("VALIDATION_ERROR", f"{message} TASKYARD_KUBERNETES_IMAGES"))
        if asked.service_account is not None and asked.service_account not in self._rules.service_accounts:
            message = f"the service account {asked.service_account} may not be used; the operator has to allow it in"
            return Failed(TaskError("VALIDATION_ERROR", f"{message} TASKYARD_KUBERNETES_SERVICE_ACCOUNTS"))
        return None

    async def _submitted(self, call: Call, asked: Kubernetes) -> None:
        """See `_submit`; who is cancelled meanwhile leaves nothing behind. Raises CircuitOpen."""
        try:
            with self._circuit.call():
                await self._submit(call, asked)
        except asyncio.CancelledError:
            await asyncio.shield(self._let_go(call))
            raise

    async def _submit(self, call: Call, asked: Kubernetes) -> None:
        """Create the job, or take over the one that an attempt before this one left running; what was begun before the
        task was requeued is ended.
        """
        name = manifest.name_of(call)
        if name != token_of(int(call.task_id)):
            for other in await self._client.jobs(f"{manifest.SELECTOR},{manifest.TASK}={call.task_id}"):
                if other["metadata"]["name"] != name:
                    await delete(self._client, other, call.attempt, self._pauses())
        for pause in self._pauses():
            try:
                created = await self._client.create_job(manifest.job(call, asked, self._until()))
                break
            except Refused as refused:
                if refused.reason != "AlreadyExists":
                    raise
            created = await self._taken_over(call)
            if created:
                break
            await asyncio.sleep(pause)
        try:
            await self._client.create_secret(manifest.input_secret(call, created["metadata"]["uid"]))
        except Refused as refused:
            if refused.reason != "AlreadyExists":
                await self._let_go(call)
                raise

    async def _taken_over(self, call: Call) -> JsonObject:
        """The job that is there, if it may still give a result; else it is made to go, and `{}`."""
        name = manifest.name_of(call)
        try:
            found = await self._client.job(name)
        except Refused as refused:
            if refused.status == HTTPStatus.NOT_FOUND:
                return {}
            raise
        if found["metadata"].get("labels", {}).get(manifest.TASK) != call.task_id:
            raise Refused(f"there is a job {name} that is not ours", HTTPStatus.CONFLICT, "AlreadyExists")
        if manifest.attempt_of(found) > call.attempt:
            raise Refused(f"a later attempt has the job {name}", HTTPStatus.CONFLICT, "AlreadyExists")
        if found["metadata"].get("deletionTimestamp"):
            return {}
        if found.get("status", {}).get("failed"):
            await self._client.delete_job(found)
            return {}
        await self._client.annotate_job(name, {manifest.ATTEMPT: str(call.attempt), manifest.UNTIL: self._until()})
        return found

    @contextlib.asynccontextmanager
    async def _held(self, call: Call) -> AsyncIterator[None]:
        """Say now and then that the job is followed; afterwards it is deleted, however this ends."""
        renewing = asyncio.create_task(self._renew(manifest.name_of(call)))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.shield(self._let_go(call))

    async def _renew(self, name: str) -> None:
        while True:
            await asyncio.sleep(self._rules.abandoned_after / 4)
            with contextlib.suppress(TaskyardError):
                await self._client.annotate_job(name, {manifest.UNTIL: self._until()})

    async def _let_go(self, call: Call) -> None:
        """Delete the job, unless a later attempt has taken it over: this one may have been given up long ago."""
        name = manifest.name_of(call)
        try:
            async with asyncio.timeout(_LET_GO_SECONDS):
                await delete(self._client, await self._client.job(name), call.attempt, self._pauses())
        except (TaskyardError, TimeoutError) as error:
            if isinstance(error, Refused) and error.status == HTTPStatus.NOT_FOUND:
                return
            log.warning(
                "a job could not be deleted; it will be, once it is taken for abandoned", job=name, why=str(error)
            )

    async def _follow(self, name: str, call: Call, observer: Observer) -> Report:
        hearing = Hearing(observer, call.resources.output_bytes)
        lines = LogLines(hearing)
        for pause in self._pauses():
            pod = await self._looked_at(name)
            if pod is not None:
                failed = verdict.not_starting(pod) if verdict.phase_of(pod) == "Pending" else None
                if failed is not None:
                    return failed
                heard = verdict.phase_of(pod) != "Pending" and await self._listen(pod, lines, call)
                if hearing.over:
                    return too_much(hearing, call.resources.output_bytes)
                if heard and verdict.phase_of(pod) in verdict.FINAL:
                    lines.close()
                    return verdict.judge(pod, hearing, call.wall)
            await asyncio.sleep(pause)
        raise AssertionError("the pauses have no end")

    async def _looked_at(self, name: str) -> JsonObject | None:
        """The job's pod; none is seen while the cluster is away. Raises CallFailed for a job that is gone."""
        try:
            pods = await self._client.pods(name)
            if not pods:
                await self._client.job(name)
        except CallFailed:
            return None
        except Refused as refused:
            if refused.status == HTTPStatus.NOT_FOUND:
                raise CallFailed("the job is gone; somebody has deleted it", reason="gone") from None
            raise
        return pods[-1] if pods else None

    async def _listen(self, pod: JsonObject, lines: LogLines, call: Call) -> bool:
        """Hear the log until it ends or breaks; whether it brought nothing new, so that all has been heard."""
        lines.begin()
        before = lines.count
        most = call.resources.output_bytes * 2 + _LEAST_LOG_BYTES
        try:
            async with contextlib.aclosing(
                self._client.log(pod["metadata"]["name"], lines.since, call.timeout, most)
            ) as pieces:
                async for piece in pieces:
                    lines.feed(piece)
                    if lines.over:
                        break
        except CallFailed:
            return False
        except Refused:  # there is none, as of a pod that was evicted
            return True
        return lines.count == before

    def _until(self) -> str:
        return manifest.moment(self._clock.now() + round(self._rules.abandoned_after * 1e6))

    def _pauses(self) -> Iterator[float]:
        """The seconds between two looks, growing, without end."""
        pause = self._rules.look_soonest
        while True:
            yield pause
            pause = min(pause * 1.5, self._rules.look_latest)

    async def _tidy(self) -> None:
        """Delete the jobs that nobody follows any more."""
        while True:
            with contextlib.suppress(TaskyardError):
                await delete_abandoned(self._client, self._clock.now())
            await asyncio.sleep(self._rules.tidy_every)

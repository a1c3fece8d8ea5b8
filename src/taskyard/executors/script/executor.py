"""The executor of all that runs at a target: finds the target, and hands it the attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from taskyard.contracts.executor import Fallback, Job, Run
from taskyard.contracts.target import Call, Standing, Target
from taskyard.domain.definition import Definition, Kind
from taskyard.domain.facts import EMPTY_EXTRA, Extra
from taskyard.domain.json import loads
from taskyard.domain.outcome import Done, Failed, MadeFile, Report, TaskError
from taskyard.domain.resources import ResourcePatch, Resources
from taskyard.domain.schema import compile_schema
from taskyard.domain.upload import UploadedFile
from taskyard.executors.script.secrets import Secrets, run_with_secrets
from taskyard.security.caller import LOCAL

Allocate = Callable[[str], Awaitable[ResourcePatch | None]]
FindUploads = Callable[[list[str]], Awaitable[dict[str, UploadedFile]]]
SaveFile = Callable[[MadeFile, str], Awaitable[str]]


class ScriptExecutor:
    """Runs attempts at `targets`; of those that know a kind the first is its default.

    `resources`: the limits that hold where a definition names none, nor `allocate` for it. `find_uploads` gives the
    files behind upload ids, `save_file` keeps one that was made, for the subject who asked for the task, and gives
    its upload id. `placement`: target by definition or kind, where a definition names none itself.
    `secrets`: those that `env` may name.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        resources: Resources,
        find_uploads: FindUploads,
        save_file: SaveFile,
        allocate: Allocate | None = None,
        placement: Mapping[str, str] | None = None,
        secrets: Secrets | None = None,
    ) -> None:
        self._targets = targets
        self._resources = resources
        self._find_uploads = find_uploads
        self._save_file = save_file
        self._allocate = allocate
        self._placement = placement or {}
        self._secrets = secrets or Secrets({}, None)
        self._runs: dict[int, Run] = {}
        self._standings: dict[str, asyncio.Task[list[Standing]]] = {}

    def can_run(self, definition: Definition) -> bool:
        """See the contract. A target that is about to be used is asked what it can do."""
        target = self._target(definition)
        if target is not None and target.name not in self._standings:
            self._standings[target.name] = asyncio.create_task(target.standings())
        return target is not None

    def tiers(self) -> list[str]:
        """Where each kind runs, as `kind:tier`, as far as it is known by now."""
        asked = self._standings.values()
        told = [task for task in asked if task.done() and not task.cancelled() and task.exception() is None]
        return sorted(f"{each.kind}:{each.tier}" for task in told for each in task.result() if each.tier)

    def bind(self, kind: Kind) -> Run:
        """See the contract."""
        if kind.id not in self._runs:
            target = self._target(kind.definition)
            assert target is not None  # noqa: S101 - `can_run` was asked first
            self._runs[kind.id] = self._bind(kind, target)
        return self._runs[kind.id]

    def fallback(self, kind: Kind) -> Fallback | None:
        """See the contract: a definition's constant, or nothing."""
        constant = kind.definition.fallback
        if constant is None:
            return None

        async def run(job: Job, error: TaskError) -> Any:
            del job, error
            return constant

        return run

    async def start(self) -> None:
        """See the contract."""
        for target in self._targets:
            await target.start()

    async def stop(self) -> None:
        """See the contract."""
        for task in self._standings.values():
            task.cancel()
        await asyncio.gather(*self._standings.values(), return_exceptions=True)
        for target in self._targets:
            await target.stop()

    def _target(self, definition: Definition, asked: str = "") -> Target | None:
        """Where it runs: as its task asks, its definition says, the operator rules, or by default the first."""
        ruled = self._placement.get(definition.key) or self._placement.get(definition.kind)
        wanted = asked or definition.implementation.get("target") or ruled
        for target in self._targets:
            if definition.kind in target.kinds and wanted in (None, target.name):
                return target
        return None

    def _bind(self, kind: Kind, default: Target) -> Run:
        definition = kind.definition
        own = msgspec.convert(definition.implementation.get("resources") or {}, ResourcePatch)
        validator = compile_schema(definition.input_schema) if definition.input_schema else None
        find = validator.upload_ids if validator is not None and validator.takes_uploads else None

        async def run(job: Job) -> Report:
            asked = job.policy.target
            target = self._target(definition, asked) if asked else default
            if target is None:
                message = f"{asked!r}, which the task asks for, is no target here that runs {definition.kind}"
                return Failed(TaskError("SANDBOX_UNAVAILABLE", message))
            allocated = await self._allocate(definition.key) if self._allocate is not None else None
            ids = list(find(loads(job.claimed.input))) if find is not None else []
            files = await self._find_uploads(ids) if ids else {}
            call = _call(job, kind, self._resources.patched(allocated).patched(own), files)
            report = await run_with_secrets(target, call, job, self._secrets)
            return await self._kept(job, report) if isinstance(report, Done) and report.files else report

        return run

    async def _kept(self, job: Job, done: Done) -> Report:
        """The report with upload ids where its value calls files by name."""
        stored = job.claimed.extra
        extra = msgspec.json.decode(stored, type=Extra) if stored else EMPTY_EXTRA
        ids = {f"file:{file.name}": await self._save_file(file, extra.caller or LOCAL.subject) for file in done.files}
        return Done(_with_ids(done.value, ids), done.warnings)


def _call(job: Job, kind: Kind, resources: Resources, files: Mapping[str, UploadedFile]) -> Call:
    claimed = job.claimed
    return Call(
        task_id=str(claimed.task_id),
        attempt=claimed.attempt,
        token=f"taskyard-{claimed.task_id}",
        definition=kind.definition.key,
        version=kind.version,
        implementation=kind.definition.implementation,
        input=claimed.input,
        timeout=job.policy.timeout,
        resources=resources,
        security_level=str((job.policy.security_context or {}).get("securityLevel", "LOW")),
        files=files,
    )


def _with_ids(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, str):
        return ids.get(value, value)
    if isinstance(value, list):
        return [_with_ids(item, ids) for item in value]
    if isinstance(value, dict):
        return {name: _with_ids(item, ids) for name, item in value.items()}
    return value

"""The executor of all that runs at a target: finds the target, and hands it the attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from taskyard.contracts.executor import Fallback, Job, Run
from taskyard.contracts.records import Claimed
from taskyard.contracts.target import Call, Standing, Target
from taskyard.domain.definition import Definition, Kind
from taskyard.domain.forms.start import input_schema
from taskyard.domain.json import loads
from taskyard.domain.outcome import Done, MadeFile, Report, TaskError
from taskyard.domain.people.document import read_extra
from taskyard.domain.resources import ResourcePatch, Resources
from taskyard.domain.schema import compile_schema
from taskyard.domain.upload import UploadedFile
from taskyard.engine.upload import requester
from taskyard.executors.script.secrets import run_with_secrets
from taskyard.security.caller import LOCAL
from taskyard.security.secrets import Secrets

Allocate = Callable[[str], Awaitable[ResourcePatch | None]]
FindUploads = Callable[[list[str]], Awaitable[dict[str, UploadedFile]]]
SaveFile = Callable[[MadeFile, str], Awaitable[str]]

FindToken = Callable[[Claimed], Awaitable[str]]
_ASK_AGAIN_SECONDS = 30.0

log = structlog.get_logger("taskyard.targets")


class ScriptExecutor:
    """Runs attempts at `targets`; of those that know a kind the first is its default.

    `resources`: the limits that hold where a definition names none, nor `allocate` for it. `find_uploads` gives the
    files behind upload ids, `save_file` keeps one that was made, for the subject who asked for the task, and gives
    its upload id. `find_token` gives what calls are known again by. `placement`: target by definition or kind, where a
    definition names none itself. `secrets`: those that `env` may name.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        resources: Resources,
        find_uploads: FindUploads,
        save_file: SaveFile,
        find_token: FindToken,
        allocate: Allocate | None = None,
        placement: Mapping[str, str] | None = None,
        secrets: Secrets | None = None,
    ) -> None:
        self._targets = targets
        self._resources = resources
        self._find_uploads = find_uploads
        self._save_file = save_file
        self._find_token = find_token
        self._allocate = allocate
        self._placement = placement or {}
        self._secrets = secrets or Secrets({}, None)
        self._runs: dict[int, Run] = {}
        self._standings: dict[str, list[Standing]] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._ask_again: dict[str, float] = {}

    def can_run(self, definition: Definition, target: str = "") -> bool:
        """See the contract. A target that is about to be used is asked what it can do."""
        found = self._target(definition, target)
        if found is not None:
            self._ask(found)
        return found is not None

    @property
    def places(self) -> list[str]:
        """What the targets that are here run, as `kind:target`."""
        return sorted(f"{kind}:{target.name}" for target in self._targets for kind in target.kinds)

    def tiers(self) -> list[str]:
        """Where each kind runs, as `kind:tier`, as far as it is known by now."""
        return sorted(f"{each.kind}:{each.tier}" for told in self._standings.values() for each in told if each.tier)

    def bind(self, kind: Kind) -> Run:
        """See the contract."""
        if kind.id not in self._runs:
            self._runs[kind.id] = self._bind(kind)
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
        for task in self._asking.values():
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)
        for target in self._targets:
            await target.stop()

    def _ask(self, target: Target) -> None:
        """Ask what it can do, and after a while again where something is missing."""
        told, now = self._standings.get(target.name), asyncio.get_running_loop().time()
        asking = self._asking.get(target.name)
        if (told and all(each.tier for each in told)) or (asking is not None and not asking.done()):
            return
        if now >= self._ask_again.get(target.name, now):
            self._ask_again[target.name] = now + _ASK_AGAIN_SECONDS
            self._asking[target.name] = asyncio.create_task(self._asked(target))

    async def _asked(self, target: Target) -> None:
        try:
            self._standings[target.name] = await target.standings()
        except Exception:  # whoever's target it is
            log.exception("a target cannot tell what it can do; it is asked again", target=target.name)

    def _target(self, definition: Definition, asked: str = "") -> Target | None:
        """Where it runs: as its task asks, its definition says, the operator rules, or by default the first."""
        ruled = self._placement.get(definition.key) or self._placement.get(definition.kind)
        wanted = asked or definition.implementation.get("target") or ruled
        for target in self._targets:
            if definition.kind in target.kinds and wanted in (None, target.name):
                return target
        return None

    def _bind(self, kind: Kind) -> Run:
        definition = kind.definition
        own = msgspec.convert(definition.implementation.get("resources") or {}, ResourcePatch)
        schema = input_schema(definition)
        validator = compile_schema(schema) if schema else None
        find = validator.upload_ids if validator is not None and validator.takes_uploads else None

        async def run(job: Job) -> Report:
            target = self._target(definition, job.policy.target)
            assert target is not None  # noqa: S101 - `can_run` was asked first
            allocated = await self._allocate(definition.key) if self._allocate is not None else None
            ids = list(find(loads(job.claimed.input))) if find is not None else []
            files = await self._find_uploads(ids) if ids else {}
            token = await self._find_token(job.claimed)
            call = _call(job, kind, token, self._resources.patched(allocated).patched(own), files)
            report = await run_with_secrets(target, call, job, self._secrets)
            return await self._kept(job, report) if isinstance(report, Done) and report.files else report

        return run

    async def _kept(self, job: Job, done: Done) -> Report:
        """The report with upload ids where its value calls files by name."""
        owner = requester(read_extra(job.claimed.extra)) or LOCAL.subject
        ids = {f"file:{file.name}": await self._save_file(file, owner) for file in done.files}
        return Done(_with_ids(done.value, ids), done.warnings)


def _call(job: Job, kind: Kind, token: str, resources: Resources, files: Mapping[str, UploadedFile]) -> Call:
    claimed = job.claimed
    return Call(
        task_id=str(claimed.task_id),
        attempt=claimed.attempt,
        token=token,
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

"""Trying a file of source code here, in the same sandbox that workers use, without a store."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import msgspec

from taskyard.cli.definition_files import read_definitions
from taskyard.cli.fields import fields_of, read_input
from taskyard.cli.output import err
from taskyard.contracts.target import Call, Target
from taskyard.domain.definition import Definition
from taskyard.domain.forms.start import input_schema, start_errors
from taskyard.domain.json import dumps, refusal
from taskyard.domain.outcome import Done, Failed, TaskError
from taskyard.domain.resources import ResourcePatch
from taskyard.domain.schema import compile_schema
from taskyard.engine.define import parse_definition
from taskyard.errors import ValidationFailed
from taskyard.executors.script.secrets import run_with_secrets
from taskyard.settings import Settings
from taskyard.targeting import make_resources, make_secrets, make_targets

_CALL_TOKEN = "tried"  # noqa: S105 - it names the call


class Tried(NamedTuple):
    """What came of it; `elapsed` in milliseconds."""

    status: str
    output: Any
    error: dict[str, Any] | None
    tier: str
    elapsed: int


class Shown:
    """Shows on stderr what a program says."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self.tier = ""

    def log(self, level: str, text: str) -> None:
        """A line."""
        if not self._quiet:
            err().print(f"{level}: {text}", markup=False, highlight=False)

    def progress(self, current: float, total: float | None, action: str | None) -> None:
        """A step."""
        if not self._quiet:
            err().print(f"{current:g}/{total:g} {action or ''}" if total else f"{current:g} {action or ''}")

    def placed(self, tier: str, lock: str = "") -> None:
        """Where it runs."""
        self.tier = tier


async def try_script(settings: Settings, file: str, raw: str | None, fields: list[str], *, quiet: bool) -> Tried:
    """Run the file with this input. Raises ValidationFailed for a file or an input that is refused."""
    (value,) = read_definitions([file])
    definition = parse_definition(value)
    input_ = read_input(raw) if raw is not None else fields_of(fields, input_schema(definition))
    if wrong := start_errors(definition, input_, "/input"):
        raise refusal(wrong)
    shown = Shown(quiet)
    targets = make_targets(settings, 1)
    target = next((one for one in targets if definition.kind in one.kinds), None)
    if target is None:
        raise ValidationFailed(f"{definition.kind} does not run on this machine")
    began = time.perf_counter()
    await target.start()
    try:
        report = await _run(settings, target, definition, dumps(input_), shown)
    finally:
        await target.stop()
    elapsed = int((time.perf_counter() - began) * 1000)
    if isinstance(report, Done):
        return Tried("COMPLETED", report.value, None, shown.tier, elapsed)
    return Tried("FAILED", None, msgspec.to_builtins(report.error), shown.tier, elapsed)


async def _run(
    settings: Settings, target: Target, definition: Definition, input_: bytes, shown: Shown
) -> Done | Failed:
    given = definition.implementation.get("resources") or {}
    call = Call(
        task_id="0", attempt=1, token=_CALL_TOKEN, definition=definition.key, version="",
        implementation=definition.implementation, input=input_,
        timeout=definition.timeout or settings["TASK_TIMEOUT"],
        resources=make_resources(settings).patched(msgspec.convert(given, ResourcePatch)),
    )  # fmt: skip
    report = await run_with_secrets(target, call, shown, make_secrets(settings))
    if isinstance(report, Failed):
        return report
    if not isinstance(report, Done):
        return Failed(TaskError("EXECUTION_ERROR", "its answer comes later; only a worker can wait for it"))
    try:
        dumps(report.value)
        if definition.output_schema is not None:
            compile_schema(definition.output_schema).check(report.value, "")
    except ValidationFailed as error:
        return Failed(TaskError("OUTPUT_VALIDATION_ERROR", f"the output does not fit: {error.message}", error.details))
    return report

"""Define: task definitions, their versions and their checks."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from taskyard.domain.definition import IMPLEMENTATION_KINDS, OWN_KIND, OWN_TASKS, Definition, Kind
from taskyard.domain.dependencies import dependencies_of
from taskyard.domain.expression import check_expression
from taskyard.domain.forms.form import Form
from taskyard.domain.forms.judge import judge_ahead
from taskyard.domain.forms.make import make_form
from taskyard.domain.forms.sources import input_source, output_source
from taskyard.domain.forms.start import start_form
from taskyard.domain.implementation import NOT_OFFERED, SCRIPT_KINDS, SECRET_NAME, SHAPES, WITHOUT, Integration
from taskyard.domain.json import Detail, detail, refusal
from taskyard.domain.people.spec import Manual, manual_faults, read_manual, read_repair
from taskyard.domain.permission import parse_permission
from taskyard.domain.policy import invalid, parse_retry
from taskyard.domain.priority import Priority
from taskyard.domain.queue import LaneKey, TaskType
from taskyard.domain.rate import parse_rate
from taskyard.domain.schema import check_schema, compile_schema
from taskyard.domain.system import SYSTEM_FUNCTIONS
from taskyard.engine.connection_book import connection_of, lane_of
from taskyard.engine.engine import Engine
from taskyard.engine.freeze import freeze
from taskyard.engine.upload import named_files
from taskyard.errors import NotFound, ValidationFailed

_MOST = (1 << 31) - 1
"""What a store counts up to."""
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SCHEMA = compile_schema(msgspec.json.schema(Definition))
_SHAPES = {kind: compile_schema(msgspec.json.schema(shape)) for kind, shape in SHAPES.items()}
_TASK_TYPES = {"manual": TaskType.MANUAL, "integration": TaskType.INTEGRATION}


def parse_definition(value: Any, key: str | None = None) -> Definition:
    """The definition in a JSON value; `key` is the address's, which the body may repeat.

    Raises ValidationFailed with every error and its JSON Pointer.
    """
    if isinstance(value, dict) and key is not None:
        value = {"key": key, **value}
    if isinstance(value, dict) and "taskType" not in value:
        kind = (
            (value.get("implementation") or {}).get("kind") if isinstance(value.get("implementation"), dict) else None
        )
        value = {**value, "taskType": _TASK_TYPES.get(str(kind), TaskType.AUTOMATED).value}
    _SCHEMA.check(value, "")
    if key is not None and value["key"] != key:
        raise invalid("/key", f"the body is about {value['key']!r}, the address about {key!r}", "const")
    definition = _with_line_ends(_with_schemas(msgspec.convert(value, Definition)))
    check_definition(definition)
    return definition


def _with_schemas(definition: Definition) -> Definition:
    """A system function's definition that brings no schemas has the function's."""
    function = SYSTEM_FUNCTIONS.get(str(definition.implementation.get("name")))
    if definition.kind != "system" or function is None:
        return definition
    return msgspec.structs.replace(
        definition,
        title=definition.title or function.title,
        input_schema=definition.input_schema or function.input_schema,
        output_schema=definition.output_schema or function.output_schema,
    )


def _with_line_ends(definition: Definition) -> Definition:
    """A script's source with the line ends that headers and shells know, whatever system it was written on."""
    source = definition.implementation.get("source")
    if definition.kind not in SCRIPT_KINDS or not isinstance(source, str) or "\r\n" not in source:
        return definition
    implementation = {**definition.implementation, "source": source.replace("\r\n", "\n")}
    return msgspec.structs.replace(definition, implementation=implementation)


def check_definition(definition: Definition) -> None:
    """Raises ValidationFailed with everything that a schema cannot say."""
    wrong: list[Detail] = []
    for check in _CHECKS:
        try:
            check(definition)
        except ValidationFailed as error:
            wrong += error.details
    if wrong:
        raise refusal(wrong)
    _check_forms(definition)  # which needs sound schemas


def _check_key(definition: Definition) -> None:
    if not _KEY.fullmatch(definition.key):
        raise invalid("/key", "use letters, digits, dot, dash and underscore, 128 at most", "pattern")
    if definition.key in OWN_TASKS:
        raise invalid("/key", "is the name of Taskyard's own tasks; choose another", "not")


def _check_kind(definition: Definition) -> None:
    if definition.kind in NOT_OFFERED:
        raise invalid(
            "/implementation/kind", f"{definition.kind} is not offered; {NOT_OFFERED[definition.kind]}", "enum"
        )
    if definition.kind not in IMPLEMENTATION_KINDS and not OWN_KIND.fullmatch(definition.kind):
        known = ", ".join(sorted(IMPLEMENTATION_KINDS))
        raise invalid("/implementation/kind", f"must be one of {known}, or a package's such as acme/gpu", "enum")
    if definition.kind in _SHAPES:
        _SHAPES[definition.kind].check(definition.implementation, "/implementation")
    if definition.kind in SCRIPT_KINDS:
        _check_script(definition.implementation)
    if definition.kind == "manual":
        _check_manual(definition)
    if definition.kind == "integration":
        check_integration(msgspec.convert(definition.implementation, Integration), "/implementation")


def _check_script(implementation: dict[str, Any]) -> None:
    dependencies_of(implementation)
    for name in WITHOUT.get(str(implementation["kind"]), ()):
        if implementation.get(name):
            raise invalid(f"/implementation/{name}", f"{implementation['kind']} has none", "const")
    for name, value in (implementation.get("env") or {}).items():
        if isinstance(value, dict) and not SECRET_NAME.fullmatch(value["secret"]):
            message = "a secret's name has letters, digits, dot, dash and underscore, 128 at most"
            raise invalid(f"/implementation/env/{name}/secret", message, "pattern")


def _check_system(definition: Definition) -> None:
    if definition.kind != "system":
        return
    if definition.implementation.get("name") not in SYSTEM_FUNCTIONS:
        raise invalid("/implementation/name", f"must be one of {', '.join(SYSTEM_FUNCTIONS)}", "enum")
    for index, text in enumerate(definition.implementation.get("permissions") or ()):
        _check_text(f"/implementation/permissions/{index}", str(text), parse_permission)


def check_integration(asked: Integration, at: str) -> None:
    """Raises ValidationFailed for expressions that are none; `at` is put before their paths."""
    for name, text in (
        ("request", asked.request), ("response", asked.response), ("errorExpression", asked.error_expression)
    ):  # fmt: skip
        _check_text(f"{at}/{name}", text, check_expression)


async def _check_connection(engine: Engine, definition: Definition) -> None:
    """That an operation is one of its connection's type, and may use it; where there is none yet, that is told later.

    Raises ValidationFailed.
    """
    connection_id = connection_of(definition)
    known = None if connection_id is None else await engine.connections.find_now(connection_id)
    if known is None:
        return
    if not known.row.connection.allows(definition.key):
        message = f"the connection {connection_id!r} does not name this definition among its allowedDefinitions"
        raise invalid("/implementation/connectionId", message, "connection")
    type_ = engine.connection_types.get(known.row.connection.type)
    operation = definition.implementation.get("operation") or {}
    compile_schema(dict(type_.operation)).check(operation, "/implementation/operation")


def _check_manual(definition: Definition) -> None:
    _check_people(definition, read_manual(definition.implementation), "/implementation")


def _check_repair(definition: Definition) -> None:
    if definition.repair is None:
        return
    if definition.kind == "manual":
        raise invalid("/repair", "is for tasks that no person does: a manual task does not fail by itself", "repair")
    _SHAPES["manual"].check(definition.repair, "/repair")
    _check_people(definition, read_repair(definition.repair), "/repair")


def _check_people(definition: Definition, manual: Manual, at: str) -> None:
    wrong = [{**each, "path": f"{at}{each['path']}"} for each in manual_faults(manual)]
    if wrong:
        raise refusal(wrong)


def _check_forms(definition: Definition) -> None:
    """That people can make sense of what they are to fill in, and time ends nothing with what they could not have sent;
    the forms of others are their schemas'.
    """
    if definition.kind == "manual":
        _check_ends(make_form(output_source(definition)), read_manual(definition.implementation), "/implementation")
    elif definition.repair is not None:
        make_form(input_source(definition))
    start_form(definition)
    if definition.repair is not None:
        _check_ends(make_form(output_source(definition)), read_repair(definition.repair), "/repair")


def _check_ends(form: Form, manual: Manual, at: str) -> None:
    """That what is declared for a timeout, or for a step of the escalation, fits the form and its rules, and names no
    files: they would be shown to whoever may see the task.
    """
    wrong: list[Detail] = []
    for path, end in manual.ends():
        if end.outcome != "COMPLETED":
            continue
        wrong += judge_ahead(form, end.output, f"{at}{path}/output")
        if named_files(form.schema, end.output):
            wrong.append(detail(f"{at}{path}/output", "must name no files: time has none to bring", "file"))
    if wrong:
        raise refusal(wrong)


def _check_retry(definition: Definition) -> None:
    if definition.retry_policy is not None:
        parse_retry(definition.retry_policy, "/retryPolicy")


def _check_priority(definition: Definition) -> None:
    if definition.priority is not None and definition.priority not in Priority.__members__:
        raise invalid("/priority", "must be LOW, MEDIUM, HIGH or CRITICAL", "enum")


def _check_expire(definition: Definition) -> None:
    if definition.expire is not None and definition.expire < 0:
        raise invalid("/expire", "must not be negative", "minimum")


def _check_positive(path: str, number: float | None, most: float = math.inf) -> None:
    if number is not None and number <= 0:
        raise invalid(path, "must be more than 0", "exclusiveMinimum")
    if number is not None and number > most:
        raise invalid(path, f"must be {most} or less", "maximum")


def _check_schema(path: str, schema: dict[str, Any] | None) -> None:
    if schema is not None:
        check_schema(schema, path)


def _check_text(path: str, text: str | None, read: Callable[[str], object]) -> None:
    """Raises ValidationFailed where `read` raises ValueError."""
    if text is not None:
        try:
            read(text)
        except ValueError as error:
            raise invalid(path, str(error), "pattern") from None


_CHECKS: tuple[Callable[[Definition], None], ...] = (
    _check_key,
    _check_kind,
    _check_system,
    lambda d: _check_schema("/inputSchema", d.input_schema),
    lambda d: _check_schema("/outputSchema", d.output_schema),
    _check_retry,
    _check_priority,
    lambda d: _check_positive("/timeout", d.timeout),
    lambda d: _check_positive("/maxConcurrent", d.max_concurrent, _MOST),
    lambda d: _check_text("/rateLimit", d.rate_limit, parse_rate),
    lambda d: _check_text("/concurrencyKey", d.concurrency_key, check_expression),
    _check_expire,
    _check_repair,
)


async def define(engine: Engine, definitions: Sequence[Definition]) -> list[Kind]:
    """Store the definitions; equal content is the version it was before.

    Their lanes and policies are made ready too, so that submitting writes nothing but the task.
    """
    for definition in definitions:
        check_definition(definition)
        await _check_connection(engine, definition)
    if not definitions:
        return []
    kinds = await engine.store.save_kinds(definitions)
    for kind in kinds:
        engine.catalog.publish(kind)
    await engine.catalog.lane_ids([key for kind in kinds for key in _lanes(kind.definition)])
    for kind in kinds:
        await freeze(engine, kind, None)
    return kinds


async def get_definition(engine: Engine, key: str) -> Kind:
    """A definition's current version. Raises NotFound."""
    return (await engine.catalog.current(key)).kind


async def list_definitions(engine: Engine) -> list[Kind]:
    """The definitions that may be run, by key."""
    return [kind for kind in await engine.catalog.all_current() if not kind.retired]


async def list_versions(engine: Engine, key: str) -> list[Kind]:
    """A definition's versions, newest first. Raises NotFound."""
    versions = await engine.store.versions(key)
    if not versions:
        raise NotFound(f"there is no task definition {key!r}")
    return versions


async def retire(engine: Engine, key: str) -> None:
    """Take a definition out of use; its tasks go on. Raises NotFound."""
    if not await engine.store.retire(key):
        raise NotFound(f"there is no task definition {key!r}")
    await engine.catalog.refresh()


def _lanes(definition: Definition) -> list[LaneKey]:
    return [lane_of(definition, priority) for priority in Priority]

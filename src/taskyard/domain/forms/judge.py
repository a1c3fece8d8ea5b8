"""Judging what a form has sent: all that is wrong with it, by its schema, its conditions and its rules.

Of what is not shown nothing is required, and nothing taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from taskyard.domain.forms.conditions import Condition, decide, holds, is_filled
from taskyard.domain.forms.form import FileLimit, Form, Object
from taskyard.domain.forms.rules import fault, is_about_task
from taskyard.domain.json import MAX_DETAILS, Detail, detail, pointer
from taskyard.domain.schema import Validator, compile_schema


class File(NamedTuple):
    """What is known of a file: its name, its type and its bytes."""

    name: str
    media_type: str
    size: int


def judge(form: Form, output: Any, document: Mapping[str, Any], prefix: str) -> list[Detail]:
    """All that is wrong with what was sent, with JSON Pointers below `prefix`."""
    validator = validator_for(form, output, document)
    found = [] if validator is None else validator.errors(output, prefix)
    if isinstance(output, dict):
        told = {each["path"] for each in found}
        found += [each for each in _beside_schema(form, output, document, prefix) if each["path"] not in told]
    return found[:MAX_DETAILS]


def judge_ahead(form: Form, output: Any, prefix: str) -> list[Detail]:
    """What of `judge` can be told before there is a task: nothing that depends on its input, its workflow or on it."""
    unsure = {key for key, condition in form.conditions.items() if any(clause.is_about_task for clause in condition)}
    known = form._replace(
        schema=None if form.schema is None else _without(form.schema, unsure),
        fields=[field | {"required": field["required"] and field["key"] not in unsure} for field in form.fields],
        conditions={
            key: tuple(clause for clause in condition if not clause.is_about_task)
            for key, condition in form.conditions.items()
        },
        checks={key: [check for check in checks if not is_about_task(check)] for key, checks in form.checks.items()},
    )
    return judge(known, output, {}, prefix)


def validator_for(form: Form, output: Any, document: Mapping[str, Any]) -> Validator | None:
    """The form's schema, which does not require what is hidden with these values; None where it has none."""
    return None if form.schema is None else compile_schema(_without(form.schema, _hidden(form, output, document)))


def judge_outcome(form: Form, outcome: str | None, output: Any, document: Mapping[str, Any]) -> list[Detail]:
    """What is wrong with the outcome, where the form has buttons that name them."""
    offers = [(action.action_key, condition) for action, condition in form.actions if action.verb == "complete"]
    values = output if isinstance(output, dict) else {}
    names = [key for key, condition in offers if is_shown(condition, values, document)]
    if not offers or outcome is None or outcome in names:
        return []
    message = f"must be {' or '.join(names)}" if names else "is not offered with what is given"
    return [detail("/outcome", message, "enum")]


def judge_files(form: Form, output: Any, files: Mapping[str, File], prefix: str) -> list[Detail]:
    """What is wrong with the files that were sent, by the limits of their fields."""
    values = output if isinstance(output, dict) else {}
    found = []
    for key, limit in form.limits.items():
        value = values.get(key)
        for index, id_ in enumerate(value if isinstance(value, list) else [value]):
            file = files.get(id_) if isinstance(id_, str) else None
            message = None if file is None else _refused(file, limit)
            if message is not None:
                steps: list[str | int] = [key, index] if isinstance(value, list) else [key]
                found.append(detail(prefix + pointer(steps), message, "file"))
    return found


def is_shown(condition: Condition, values: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    """Whether something is shown with these values; what cannot be told is."""
    try:
        left = decide(condition, document)
    except ValueError:
        return True
    return left is not None and holds(left, values)


def _hidden(form: Form, output: Any, document: Mapping[str, Any]) -> set[str]:
    """The fields that are not shown with these values."""
    values = output if isinstance(output, dict) else {}
    return {key for key, condition in form.conditions.items() if not is_shown(condition, values, document)}


def _beside_schema(form: Form, values: Mapping[str, Any], document: Mapping[str, Any], prefix: str) -> Iterator[Detail]:
    hidden = _hidden(form, values, document)
    for field in form.fields:
        key = field["key"]
        place = prefix + pointer([key])
        if key in hidden:
            if is_filled(values.get(key)):
                yield detail(place, "is not asked for with what else is given", "visibleIf")
        elif is_filled(values.get(key)):
            for check in form.checks.get(key, ()):
                if message := fault(check, values[key], values, document):
                    yield detail(place, message, check.rule.type)
        elif field["required"] and key and key not in values:
            yield detail(place, "is required", "required")


def _without(schema: Object, hidden: set[str]) -> Object:
    """The schema that does not require what is hidden."""
    if not hidden:
        return schema
    left = dict(schema)
    if "required" in left:
        left["required"] = [name for name in left["required"] if name not in hidden]
    if "allOf" in left:
        left["allOf"] = [_without(part, hidden) if isinstance(part, dict) else part for part in left["allOf"]]
    return left


def _refused(file: File, limit: FileLimit) -> str | None:
    if limit.max_size is not None and file.size > limit.max_size:
        return f"is a file of {file.size} bytes and may have {limit.max_size}"
    if limit.accept and not any(_takes(pattern, file) for pattern in limit.accept):
        return f"is a file of the type {file.media_type}; it must be {' or '.join(limit.accept)}"
    return None


def _takes(pattern: str, file: File) -> bool:
    if pattern.startswith("."):
        return file.name.lower().endswith(pattern.lower())
    return pattern == file.media_type or (pattern.endswith("/*") and file.media_type.startswith(pattern[:-1]))

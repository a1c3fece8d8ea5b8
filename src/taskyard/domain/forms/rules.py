"""Validation rules: what a field's value has to be besides its type."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from taskyard.domain.expression import check_expression, evaluate
from taskyard.domain.forms.components import Rule
from taskyard.domain.forms.conditions import is_filled, same
from taskyard.domain.schema import Validator, compile_schema
from taskyard.errors import ValidationFailed

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": same,
    "!=": lambda one, other: not same(one, other),
}  # fmt: skip
_ABOUT_TASK = re.compile(r"\b(input|workflow|task)\b|[@*]")
_WORDS = {"<": "less than", "<=": "at most", ">": "more than", ">=": "at least", "=": "the same as", "!=": "not"}


class Check(NamedTuple):
    """A rule made ready; `pattern` is its regular expression."""

    rule: Rule
    pattern: Validator | None = None


def read_rule(rule: Rule, known: Collection[str]) -> Check:
    """The rule, ready to be asked. Raises ValueError saying what is wrong with its value."""
    value = rule.value
    if rule.type == "regex":
        return Check(rule, _pattern(value))
    if rule.type == "expression":
        if not isinstance(value, str):
            raise ValueError("must be an expression, a text")
        check_expression(value)
    elif rule.type == "set":
        if not isinstance(value, list) or not value:
            raise ValueError("must be a list of the values that are allowed")
    elif rule.type == "range":
        _check_range(value)
    elif not isinstance(value, dict) or value.keys() != {"op", "field"}:
        raise ValueError("must be {op, field}")
    elif value["op"] not in _OPERATORS:
        raise ValueError(f"has an op that is none of {' '.join(_OPERATORS)}")
    elif value["field"] not in known:
        raise ValueError(f"names {value['field']!r}, which is no field of the form")
    return Check(rule)


def _pattern(value: Any) -> Validator:
    try:
        return compile_schema({"type": "string", "pattern": value})
    except ValidationFailed as error:
        raise ValueError(error.details[0]["message"]) from None


def _check_range(value: Any) -> None:
    if not isinstance(value, dict) or not value or not value.keys() <= {"min", "max"}:
        raise ValueError("must be {min, max}, or one of them")
    low, high = value.get("min"), value.get("max")
    for bound in value.values():
        if not _is_number(bound) and _moment(bound) is None:
            raise ValueError("must have numbers, or dates in ISO-8601, as min and max")
    if low is not None and high is not None:
        pair = _comparable(low, high)
        if pair is None or pair[0] > pair[1]:
            raise ValueError("has a min that is not below its max")


def is_about_task(check: Check) -> bool:
    """Whether the rule may ask about the task, so that it cannot be told before there is one."""
    return check.rule.type == "expression" and bool(_ABOUT_TASK.search(check.rule.value))


def fault(check: Check, value: Any, output: Mapping[str, Any], document: Mapping[str, Any]) -> str | None:
    """What is wrong with the value by this rule, in words that follow on the field; None for nothing."""
    rule = check.rule
    if _fits(check, value, output, document):
        return None
    if rule.error_message:
        return rule.error_message
    if rule.type == "crossField":
        return f"must be {_WORDS[rule.value['op']]} {rule.value['field']}"
    if rule.type == "range":
        words = {"min": "at least", "max": "at most"}
        return "must be " + " and ".join(f"{words[bound]} {limit}" for bound, limit in rule.value.items())
    return {"regex": "does not have the form it must have", "set": "is none of the values that are allowed"}.get(
        rule.type, "does not fit what else is given"
    )


def _fits(check: Check, value: Any, output: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    rule, values = check.rule, value if isinstance(value, list) else [value]
    if check.pattern is not None:
        return all(check.pattern.is_valid(each) for each in values)
    if rule.type == "set":
        return all(any(same(each, allowed) for allowed in rule.value) for each in values)
    if rule.type == "range":
        return all(_is_within(each, rule.value) for each in values)
    if rule.type == "crossField":
        other = output.get(rule.value["field"])
        return other is None or _compares(value, rule.value["op"], other)
    try:
        found = evaluate(rule.value, {**document, "value": value, "output": output})
    except ValueError:
        return False
    return found is not False and is_filled(found)


def _is_within(value: Any, bounds: Mapping[str, Any]) -> bool:
    is_length = isinstance(value, str) and all(_is_number(bound) for bound in bounds.values())
    measured = len(value) if is_length else value
    low, high = bounds.get("min"), bounds.get("max")
    return (low is None or _compares(measured, ">=", low)) and (high is None or _compares(measured, "<=", high))


def _compares(value: Any, op: str, other: Any) -> bool:
    if op in ("=", "!="):
        return _OPERATORS[op](value, other)
    pair = _comparable(value, other)
    return pair is not None and _OPERATORS[op](*pair)


def _comparable(one: Any, other: Any) -> tuple[Any, Any] | None:
    """Both as numbers, as moments, or as texts; None where they cannot be compared."""
    if _is_number(one) and _is_number(other):
        return one, other
    moments = _moment(one), _moment(other)
    if None not in moments:
        aware = [moment.tzinfo is not None for moment in moments if moment is not None]
        return moments if aware[0] == aware[1] else None
    return (one, other) if isinstance(one, str) and isinstance(other, str) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _moment(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None

"""Conditions: when a field, a button or a part of a form is shown.

`{field: value}` asks for that value, `{field: [values]}` for one of them, `{field: {not | min | max | filled: …}}` for
what its words say; several fields all have to hold. A field `input.…`, `workflow.…` or `task.…` is an expression about
the task and not about the form, and so is known before the form is shown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from taskyard.domain.expression import check_expression, evaluate

_WORDS = frozenset({"not", "min", "max", "filled"})
_ABOUT_TASK = ("input.", "workflow.", "task.")


class Clause(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What one field has to be: one of `in`, none of `not`, from `min` to `max`, filled in or not."""

    field: str
    in_: list[Any] | None = msgspec.field(default=None, name="in")
    not_: list[Any] | None = msgspec.field(default=None, name="not")
    min: float | None = None
    max: float | None = None
    filled: bool | None = None

    @property
    def is_about_task(self) -> bool:
        """Whether it asks about the task."""
        return self.field.startswith(_ABOUT_TASK)


Condition = tuple[Clause, ...]


def read_condition(given: Any, known: Collection[str]) -> Condition:
    """The condition as it is written. Raises ValueError saying what is wrong."""
    if not isinstance(given, dict):
        raise ValueError("must be an object of fields and the values they are to have")  # noqa: TRY004 - of a document
    return tuple(_read(name, wanted, known) for name, wanted in given.items())


def _read(name: str, wanted: Any, known: Collection[str]) -> Clause:
    clause = Clause(name, in_=wanted if isinstance(wanted, list) else [wanted])
    if clause.is_about_task:
        check_expression(name)
    elif name not in known:
        raise ValueError(f"names {name!r}, which is no field of the form; of the task it is input.{name}")
    if not isinstance(wanted, dict):
        return clause
    if not wanted or not wanted.keys() <= _WORDS:
        raise ValueError(f"says of {name!r} what is none of {', '.join(sorted(_WORDS))}")
    for word in ("min", "max"):
        if word in wanted and (isinstance(wanted[word], bool) or not isinstance(wanted[word], int | float)):
            raise ValueError(f"has a {word} of {name!r} that is no number")
    if wanted.get("filled", True) not in (True, False):
        raise ValueError(f"says of {name!r} that filled is neither true nor false")
    others = wanted.get("not")
    return Clause(
        name,
        not_=None if "not" not in wanted else others if isinstance(others, list) else [others],
        min=wanted.get("min"),
        max=wanted.get("max"),
        filled=wanted.get("filled"),
    )


def holds(condition: Condition, values: Mapping[str, Any]) -> bool:
    """Whether the condition holds for what the form has; clauses about the task have to be decided before."""
    return all(_holds(clause, values.get(clause.field)) for clause in condition)


def decide(condition: Condition, document: Mapping[str, Any]) -> Condition | None:
    """What is left of the condition once the task is known; None where it does not hold.

    Raises ValueError for an expression that cannot be evaluated.
    """
    left = []
    for clause in condition:
        if not clause.is_about_task:
            left.append(clause)
        elif not _holds(clause, evaluate(clause.field, document)):
            return None
    return tuple(left)


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def is_filled(value: Any) -> bool:
    """Whether there is anything; 0 and false are something."""
    return value is not None and value not in ("", [], {})


def find_circle(conditions: Mapping[str, Condition]) -> str | None:
    """A field that is shown only if it is shown; None where there is none."""
    done: set[str] = set()

    def visit(key: str, path: Sequence[str]) -> str | None:
        if key in path:
            return key
        if key in done:
            return None
        found = (visit(clause.field, [*path, key]) for clause in conditions.get(key, ()))
        circle = next((each for each in found if each is not None), None)
        done.add(key)
        return circle

    return next((circle for key in conditions if (circle := visit(key, ())) is not None), None)


def _holds(clause: Clause, value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    if clause.filled is not None and is_filled(value) is not clause.filled:
        return False
    if clause.in_ is not None and not any(same(each, wanted) for each in values for wanted in clause.in_):
        return False
    if clause.not_ is not None and any(same(each, other) for each in values for other in clause.not_):
        return False
    if clause.min is None and clause.max is None:
        return True
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and (clause.min is None or value >= clause.min) and (clause.max is None or value <= clause.max)

"""Mappings: which events start which tasks, with what input. Filters and inputs are JMESPath over the event."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from taskyard.domain.expression import check_expression, evaluate
from taskyard.domain.json import Detail, detail, refusal

Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Expression: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]


class Mapping(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Start a task of `target` for each `source`: an event's key, or the key of a task's definition.

    `filter`: only where it is true; `input`: what the task is given, without one the event's payload.
    """

    mapping_id: str
    kind: Literal["event", "task"]
    source: Name
    target: Name
    filter: Expression | None = None
    input: Expression | None = None

    def wants(self, event: dict[str, Any]) -> bool:
        """Whether the filter lets the event pass. Raises ValueError where it cannot be told."""
        return self.filter is None or is_true(evaluate(self.filter, event))

    def input_for(self, event: dict[str, Any]) -> Any:
        """The input of the task. Raises ValueError where it cannot be told."""
        return event.get("payload") if self.input is None else evaluate(self.input, event)


def is_true(value: Any) -> bool:
    """What JMESPath takes for true: everything but false, null, and what is empty."""
    return value is True or not (value is None or value is False or value in ("", [], {}))


def check_mapping(mapping: Mapping) -> Mapping:
    """The mapping itself. Raises ValidationFailed for expressions that are none."""
    wrong: list[Detail] = []
    for name in ("filter", "input"):
        text = getattr(mapping, name)
        try:
            if text is not None:
                check_expression(text)
        except ValueError as error:
            wrong.append(detail(f"/{name}", f"is no JMESPath expression: {error}", "expression"))
    if wrong:
        raise refusal(wrong)
    return mapping

"""What the forms of a definition are made from."""

from __future__ import annotations

from taskyard.domain.definition import Definition
from taskyard.domain.forms.make import Source
from taskyard.domain.people.spec import read_manual, read_repair


def output_source(definition: Definition) -> Source:
    """The form that ends a task: a manual one's own, or the one in which another is completed by hand."""
    if definition.kind != "manual":
        return Source(definition.output_schema)
    own = read_manual(definition.implementation).form or {}
    hints_at = "/implementation/form" if own else "/uiSchema"
    hints = (definition.ui_schema or {}) | own
    return Source(definition.output_schema, hints, definition.ui_components or [], "/outputSchema", hints_at)


def input_source(definition: Definition) -> Source:
    """The form of a task's input, as a repair offers it."""
    own = read_repair(definition.repair).form or {} if definition.repair is not None else {}
    hints_at = "/repair/form" if own else "/uiSchema"
    hints = (definition.ui_schema or {}) | own
    return Source(definition.input_schema, hints, definition.ui_components or [], "/inputSchema", hints_at)

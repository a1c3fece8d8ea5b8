"""The form that asks for a task: shown while there is none yet, and held to when it is asked for."""

from __future__ import annotations

from typing import Any

from taskyard.domain.definition import Definition
from taskyard.domain.forms.fields import form_for
from taskyard.domain.forms.form import Form, Object
from taskyard.domain.forms.judge import judge
from taskyard.domain.forms.make import Source, make_form
from taskyard.domain.forms.show import show
from taskyard.domain.json import Detail
from taskyard.domain.schema import compile_schema


def start_form(definition: Definition) -> Form | None:
    """The form that its components make; None where the schema is all there is. A manual task's are of its result."""
    if not definition.ui_components or definition.kind == "manual":
        return None
    return make_form(Source(definition.input_schema, definition.ui_schema or {}, definition.ui_components))


def input_schema(definition: Definition) -> Object | None:
    """What its input has to fit: the schema, or the one that the components amount to."""
    form = start_form(definition)
    return definition.input_schema if form is None else form.schema


def start_errors(definition: Definition, value: Any, prefix: str) -> list[Detail]:
    """All that is wrong with an input, but for its files."""
    form = start_form(definition)
    if form is not None:
        return judge(form, value, about_start(value), prefix)
    schema = definition.input_schema
    return [] if schema is None else compile_schema(schema).errors(value, prefix)


def show_start(definition: Definition) -> Object:
    """The form as the browser gets it."""
    form = start_form(definition)
    if form is not None:
        return show(form, about_start(None))
    schema = definition.input_schema
    fields = [] if schema is None else form_for(schema, definition.ui_schema)["fields"]
    layout = {"columns": 1, "sections": []}
    return {"schema": schema, "fields": fields, "layout": layout, "actions": [], "parts": [], "problems": []}


def about_start(value: Any) -> dict[str, Any]:
    """What its expressions look into: the input as far as it is known."""
    return {"input": value, "workflow": {}, "task": {}}

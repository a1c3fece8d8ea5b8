"""Making a form from schema, hints and components; what makes no sense is refused, all of it at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, ParamSpec, TypeVar

import msgspec

from taskyard.domain.expression import check_expression
from taskyard.domain.forms.components import CHOICES, SCHEMA, Action, Component, Rule, hints_of, schema_of
from taskyard.domain.forms.conditions import Condition, find_circle, read_condition
from taskyard.domain.forms.fields import form_for
from taskyard.domain.forms.form import FileLimit, Form, Object
from taskyard.domain.forms.rules import Check, read_rule
from taskyard.domain.forms.template import check_template
from taskyard.domain.json import MAX_DETAILS, Detail, detail, pointer, refusal
from taskyard.domain.schema import compile_schema

P = ParamSpec("P")
T = TypeVar("T")

_COMPONENTS = compile_schema(SCHEMA)
_RULES = compile_schema(msgspec.json.schema(list[Rule]))
_ACCEPT = compile_schema(
    {"type": "array", "items": {"type": "string", "pattern": r"^(\.[A-Za-z0-9]+|[a-z]+/[\w.+*-]+)$"}}
)
_SIZE = compile_schema({"type": "integer", "minimum": 1})
_OF_FORM = {"visibleIf", "rules", "defaultFrom", "accept", "maxSize"}


class Source(msgspec.Struct, frozen=True):
    """What a form is made from, and where a definition has it, as JSON Pointers."""

    schema: Object | None
    hints: Object = {}
    components: list[Any] = []
    schema_at: str = "/outputSchema"
    hints_at: str = "/uiSchema"


def make_form(source: Source) -> Form:
    """The form, kept for the next caller with an equal source.

    Raises ValidationFailed with everything that makes no sense, with JSON Pointers into the definition.
    """
    return _make(msgspec.json.encode(source))


@lru_cache(maxsize=512)
def _make(text: bytes) -> Form:
    source = msgspec.json.decode(text, type=Source)
    _COMPONENTS.check(source.components, "/uiComponents")
    return _Maker(source).make()


class _Maker:
    """Gathers what a form is, and what is wrong with it."""

    def __init__(self, source: Source) -> None:
        read = [
            (f"/uiComponents/{number}", msgspec.convert(each, Component))
            for number, each in enumerate(source.components)
        ]
        self.components = sorted(read, key=lambda each: each[1].priority)
        self.source = source
        self.wrong: list[Detail] = []
        self.places: dict[str, str] = {}
        self.shown_if: dict[str, list[tuple[str, Object]]] = {}

    def make(self) -> Form:
        """The form. Raises ValidationFailed."""
        own = self.hints()
        listed = [field for _, component in self.components for field in component.fields]
        schema = self.source.schema if self.source.schema is not None or not listed else schema_of(listed)
        hints = {key: _mapping(self.source.hints, key) | own.get(key, {}) for key in {**self.source.hints, **own}}
        fields = [] if schema is None else form_for(schema, hints)["fields"]
        if listed:
            fields = self.chosen(fields, list(own))
        self.check_nested(fields)
        known = {field["key"] for field in fields}
        form = Form(
            schema,
            [{name: value for name, value in field.items() if name != "visibleIf"} for field in fields],
            self.layout(fields, known),
            self.actions(known),
            self.parts(known),
            self.conditions(fields, known),
            self.checks(fields, known),
            self.limits(fields),
        )
        if self.wrong:
            raise refusal(self.wrong[:MAX_DETAILS], "The form")
        return form

    def hints(self) -> dict[str, Object]:
        """The hints that the components give, by field, in the order of their layouts."""
        found: dict[str, Object] = {}
        for at, component in self.components:
            order = {key: rank for rank, key in enumerate(component.layout.order if component.layout else ())}
            ranked = sorted(enumerate(component.fields), key=lambda each: order.get(each[1].field_key, len(order)))
            for index, field in ranked:
                key, place = field.field_key, f"{at}/fields/{index}"
                if key in found:
                    self.say(f"{place}/fieldKey", f"{key!r} is another field's already", "uniqueItems")
                if field.type in CHOICES and not field.options and self.source.schema is None:
                    self.say(f"{place}/options", "is required: there is nothing to choose from", "required")
                elif field.options and field.type not in CHOICES:
                    self.say(f"{place}/options", f"says nothing to a field of the type {field.type}", "options")
                found[key] = hints_of(field) | {"order": len(found)}
                self.places[key] = place
                self.show_if(key, (f"{place}/visibleIf", field.visible_if), (f"{at}/condition", component.condition))
        return found

    def show_if(self, key: str, *given: tuple[str, Object | None]) -> None:
        """One more condition of a field, with its place."""
        self.shown_if.setdefault(key, []).extend((at, each) for at, each in given if each is not None)

    def chosen(self, fields: list[Object], keys: list[str]) -> list[Object]:
        """Of the schema's fields those that the components show; what is required has to be among them."""
        known = {field["key"]: field for field in fields}
        for key in keys:
            if key not in known:
                self.say(f"{self.places[key]}/fieldKey", f"{key!r} is no field of {self.source.schema_at}", "fieldKey")
        for key, field in known.items():
            if field["required"] and key not in keys:
                self.say("/uiComponents", f"has no field {key!r}, which {self.source.schema_at} requires", "required")
        return [known[key] for key in keys if key in known]

    def check_nested(self, fields: Sequence[Object]) -> None:
        """That groups leave to the form what only a field of the form itself can have."""
        for field in fields:
            if any(_OF_FORM & nested.keys() for nested in _nested(field)):
                message = f"has one of {', '.join(sorted(_OF_FORM))} within a group; only fields of the form have them"
                self.say(self.at(field["key"], ""), message, "x-ui")

    def layout(self, fields: Sequence[Object], known: set[str]) -> Object:
        """The columns, and the sections with what is in them; what is in none comes first."""
        sections: dict[str, Object] = {}
        placed = {field["key"]: field["section"] for field in fields if isinstance(field.get("section"), str)}
        columns = 1
        for at, component in self.components:
            layout = component.layout
            if layout is None:
                continue
            columns = max(columns, layout.columns)
            for index, key in enumerate(layout.order):
                self.check_known(f"{at}/layout/order/{index}", key, known)
            for number, section in enumerate(layout.sections):
                place = f"{at}/layout/sections/{number}"
                sections.setdefault(section.title, _section(section.title, section.description, section.columns))
                for index, key in enumerate(section.fields):
                    self.check_known(f"{place}/fields/{index}", key, known)
                    if placed.setdefault(key, section.title) != section.title:
                        self.say(f"{place}/fields/{index}", f"{key!r} stands in another section already", "uniqueItems")
                    self.show_if(key, (f"{place}/visibleIf", section.visible_if))
        for field in fields:
            if title := placed.get(field["key"]):
                sections.setdefault(title, _section(title))["fields"].append(field["key"])
        return {"columns": columns, "sections": list(sections.values())}

    def actions(self, known: set[str]) -> list[tuple[Action, Condition]]:
        """The buttons."""
        found: dict[str, tuple[Action, Condition]] = {}
        for at, component in self.components:
            for index, action in enumerate(component.actions):
                place = f"{at}/actions/{index}"
                if action.action_key in found:
                    self.say(f"{place}/actionKey", f"{action.action_key!r} is another action's already", "uniqueItems")
                shown = [(f"{place}/visibleIf", action.visible_if), (f"{at}/condition", component.condition)]
                found[action.action_key] = (action, self.condition(shown, known))
        return list(found.values())

    def parts(self, known: set[str]) -> list[tuple[Component, Condition]]:
        """The components, each with its condition."""
        found: dict[str, tuple[Component, Condition]] = {}
        for at, component in self.components:
            id_, template = component.component_id, component.display_template
            if id_ in found:
                self.say(f"{at}/componentId", f"{id_!r} is another component's already", "uniqueItems")
            if template is not None:
                self.try_(f"{at}/displayTemplate", "displayTemplate", check_template, template)
            elif component.component_type == "Display":
                self.say(f"{at}/displayTemplate", "is required of a component that displays", "required")
            found[id_] = (component, self.condition([(f"{at}/condition", component.condition)], known))
        return list(found.values())

    def conditions(self, fields: Sequence[Object], known: set[str]) -> dict[str, Condition]:
        """When each field is shown. A section's condition is known only once the layout is."""
        found: dict[str, Condition] = {}
        for field in fields:
            key = field["key"]
            if "visibleIf" in field:
                self.show_if(key, (self.at(key, "visibleIf"), field["visibleIf"]))
            if condition := self.condition(self.shown_if.get(key, ()), known):
                found[key] = condition
        circle = find_circle(found)
        if circle is not None:
            self.say(self.at(circle, "visibleIf"), "depends on itself, so it would never be shown", "visibleIf")
        return found

    def condition(self, given: Iterable[tuple[str, Object | None]], known: set[str]) -> Condition:
        """Several conditions as one."""
        read = [self.try_(at, "visibleIf", read_condition, each, known) for at, each in given if each is not None]
        return tuple(clause for condition in read for clause in condition or ())

    def checks(self, fields: Sequence[Object], known: set[str]) -> dict[str, list[Check]]:
        """The rules of each field; and whether its default can be told."""
        found: dict[str, list[Check]] = {}
        for field in fields:
            key, rules, expression = field["key"], field.get("rules", []), field.get("defaultFrom", "@")
            self.try_(self.at(key, "defaultFrom"), "defaultFrom", check_expression, str(expression))
            if wrong := _RULES.errors(rules, self.at(key, "rules")):
                self.wrong += wrong
                continue
            for number, rule in enumerate(msgspec.convert(rules, list[Rule])):
                place = f"{self.at(key, 'rules')}/{number}/value"
                check = self.try_(place, rule.type, read_rule, rule, known)
                found.setdefault(key, []).extend([check] if check else [])
        return found

    def limits(self, fields: Sequence[Object]) -> dict[str, FileLimit]:
        """What the file fields take."""
        found = {}
        for field in fields:
            for hint, schema in (("accept", _ACCEPT), ("maxSize", _SIZE)):
                if hint in field:
                    place = self.at(field["key"], hint)
                    self.wrong += schema.errors(field[hint], place)
                    if field["widget"] != "file":
                        self.say(place, "is for files", hint)
            if not self.wrong and {"accept", "maxSize"} & field.keys():
                found[field["key"]] = FileLimit(tuple(field.get("accept", ())), field.get("maxSize"))
        return found

    def at(self, key: str, hint: str) -> str:
        """Where a field's hint is written; of the hint `""` the field itself."""
        if key in self.places:
            own = {"rules": "validationRules"}.get(hint, hint)
            return f"{self.places[key]}/{own}" if own else self.places[key]
        if hint in _mapping(self.source.hints, key):
            return self.source.hints_at + pointer([key, hint])
        return self.source.schema_at + pointer(["properties", key, *(["x-ui", hint] if hint else [])])

    def check_known(self, place: str, key: str, known: set[str]) -> None:
        """That a layout names a field there is."""
        if key not in known:
            self.say(place, f"{key!r} is no field of the form", "fieldKey")

    def try_(self, place: str, keyword: str, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """What is read; where that raises ValueError it is told with the rest."""
        try:
            return read(*args, **kwargs)
        except ValueError as error:
            self.say(place, str(error), keyword)
            return None

    def say(self, place: str, message: str, keyword: str) -> None:
        """That something is wrong, once."""
        found = detail(place, message, keyword)
        if found not in self.wrong:
            self.wrong.append(found)


def _section(title: str, description: str = "", columns: int | None = None) -> Object:
    return {"title": title, "description": description, "columns": columns, "fields": []}


def _nested(field: Object) -> Iterator[Object]:
    for inner in field.get("fields", ()):
        yield inner
        yield from _nested(inner)


def _mapping(hints: Object, key: str) -> dict[str, Any]:
    found = hints.get(key)
    return found if isinstance(found, dict) else {}

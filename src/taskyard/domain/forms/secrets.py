"""Values that are written and never read again: those of `writeOnly` fields, such as passwords (JSON Schema 2020-12,
Validation 9.4). They are left out of what is told; whoever carries the task out gets them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeGuard

import msgspec

from taskyard.domain.forms.form import Object
from taskyard.domain.forms.reference import referred

MARKS: Final = ('"writeOnly":true', '"type":"password"')
"""One of them stands in a definition, as it is stored, that has such fields."""

_APPLIED: Final = ("allOf", "anyOf", "oneOf")
_APPLIED_IF: Final = ("if", "then", "else")
_HIDDEN: Final = object()


def without_secrets(schema: Object | None, value: Any) -> Any:
    """The value without what stands where the schema, or any alternative in it, says `writeOnly`; null where nothing
    can be left out.
    """
    if not _has_secrets(schema):
        return value
    told = _Hiding(schema).told([schema], value)
    return None if told is _HIDDEN else told


def with_secrets(schema: Object | None, value: Any, former: Any) -> Any:
    """The value with the secrets of the former one, which was told without them, where it has no others."""
    return _filled(value, former, without_secrets(schema, former)) if _has_secrets(schema) else value


def _has_secrets(schema: Object | None) -> TypeGuard[Object]:
    return schema is not None and MARKS[0].encode() in msgspec.json.encode(schema)


class _Hiding:
    def __init__(self, root: Object) -> None:
        self.root = root

    def told(self, schemas: list[Any], value: Any) -> Any:
        nodes = list(self.applied(schemas))
        if any(node.get("writeOnly") is True for node in nodes):
            return _HIDDEN
        if isinstance(value, dict):
            told = {key: self.told(list(_of_property(nodes, key)), each) for key, each in value.items()}
            return {key: each for key, each in told.items() if each is not _HIDDEN}
        if isinstance(value, list):
            items = [self.told(list(_of_item(nodes, place)), each) for place, each in enumerate(value)]
            return [None if each is _HIDDEN else each for each in items]
        return value

    def applied(self, schemas: list[Any]) -> Iterator[Object]:
        """All that may be said of one value: the schemas, what they refer to, their parts and alternatives."""
        seen: set[int] = set()
        left = list(schemas)
        while left:
            node = left.pop()
            if not isinstance(node, dict) or id(node) in seen:
                continue
            seen.add(id(node))
            yield node
            left += [part for keyword in _APPLIED for part in node.get(keyword, ())]
            left += [node[keyword] for keyword in _APPLIED_IF if keyword in node]
            left += node.get("dependentSchemas", {}).values()
            if "$ref" in node:
                left.append(self.target(node["$ref"]))

    def target(self, reference: str) -> Any:
        """What it points at; what is not found that way is taken for a secret."""
        node = referred(self.root, reference)
        return {"writeOnly": True} if node is None else node


def _of_property(nodes: list[Object], key: str) -> Iterator[Any]:
    for node in nodes:
        named = node.get("properties", {})
        yield named[key] if key in named else node.get("additionalProperties")
        yield from node.get("patternProperties", {}).values()
        yield node.get("unevaluatedProperties")


def _of_item(nodes: list[Object], place: int) -> Iterator[Any]:
    for node in nodes:
        items = node.get("items")
        first = items if isinstance(items, list) else node.get("prefixItems", [])
        yield first[place] if place < len(first) else node.get("additionalItems")
        yield items if place >= len(first) else None
        yield node.get("unevaluatedItems")


def _filled(value: Any, former: Any, told: Any) -> Any:
    if isinstance(value, dict) and isinstance(former, dict) and isinstance(told, dict):
        kept = {key: each for key, each in former.items() if key not in told}
        return kept | {
            key: _filled(each, former[key], told[key]) if key in told else each for key, each in value.items()
        }
    if isinstance(value, list) and isinstance(former, list) and isinstance(told, list) and len(value) == len(former):
        return [_filled(*each) for each in zip(value, former, told, strict=True)]
    return former if value is None and told is None else value

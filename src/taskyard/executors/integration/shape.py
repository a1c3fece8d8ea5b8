"""Settings, secrets and operations as structs: what is read from them, and the schema that forms are made from; and
what connection types made of them have in common.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta

from taskyard.contracts.integration import JsonSchema, OpenConnection, OperationFailed
from taskyard.domain.template import parse_template
from taskyard.errors import ValidationFailed
from taskyard.executors.integration.house import House

T = TypeVar("T", bound=msgspec.Struct)
S = TypeVar("S", bound=msgspec.Struct)

Secret = Annotated[str, Meta(extra_json_schema={"format": "password"})]
Text = Annotated[str, Meta(extra_json_schema={"format": "textarea"})]
Port = Annotated[int, Meta(ge=1, le=65_535)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]


class Shape(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """What all of them have in common: closed, and in camel case outside."""


class ShapedType(Generic[T, S]):
    """A connection type by the name it is given; its `shapes` are those of settings, secrets and operation."""

    name: str
    settings: JsonSchema
    secrets: JsonSchema
    operation: JsonSchema
    _shapes: tuple[type[T], type[S]]

    def __init_subclass__(cls, *, name: str, shapes: tuple[type[T], type[S], type[msgspec.Struct]]) -> None:
        cls.name = name
        cls.settings, cls.secrets, cls.operation = map(schema_of, shapes)
        cls._shapes = shapes[:2]

    def __init__(self, house: House) -> None:
        self._house = house

    def _read(self, connection: OpenConnection) -> tuple[T, S]:
        """Its settings and secrets. Raises ValidationFailed."""
        settings, secrets = self._shapes
        return read(settings, connection.settings, "settings"), read(secrets, connection.secrets, "secrets")


def schema_of(shape: type[msgspec.Struct]) -> dict[str, Any]:
    """Its JSON Schema: a closed object. What structs say of themselves is for who reads the code, and left out."""
    schema: dict[str, Any] = msgspec.json.schema(shape)
    known: dict[str, Any] = schema.pop("$defs")
    top: dict[str, Any] = known.pop(schema["$ref"].rpartition("/")[2])
    for each in (top, *known.values()):
        each.pop("description", None)
    return {**top, "$defs": known} if known else top


def read(shape: type[T], value: Mapping[str, Any], what: str) -> T:
    """The value in its shape. Raises ValidationFailed naming `what` does not fit."""
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise ValidationFailed(f"{what}: {error}") from None


@contextlib.asynccontextmanager
async def within(seconds: float, told: str) -> AsyncIterator[None]:
    """A time limit. Raises OperationFailed with what is `told`, such as `no answer`, when it is over."""
    scope = asyncio.timeout(seconds)
    try:
        async with scope:
            yield
    except TimeoutError:
        if not scope.expired():
            raise
        raise OperationFailed(f"{told} within {seconds:g} s", error_code="TIMEOUT", reason="timeout") from None


def fill(template: str, values: Any, check: Callable[[str], bool] = str.isprintable) -> str:
    """The text with what its expressions find in `values` (`taskyard.domain.template`).

    Raises ValidationFailed where one finds nothing, or not what `check` takes.
    """

    def checked(found: str) -> str:
        if not found or not check(found):
            raise ValueError(f"{found[:100]!r} cannot stand in {template!r}")
        return found

    try:
        return parse_template(template).text(values, checked)
    except ValueError as error:
        raise ValidationFailed(f"the operation cannot be made of this input: {error}") from None


def single_name(text: str) -> bool:
    """Whether the text is one name in a path, and leads nowhere else."""
    return text.isprintable() and "/" not in text and "\\" not in text and text not in (".", "..")

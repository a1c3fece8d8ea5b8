"""From a handler's signature to JSON Schemas, from JSON input to its arguments, and from its result to JSON."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import PydanticSerializationError, core_schema, to_jsonable_python

from taskyard.domain.forms.fields import label_of
from taskyard.domain.json import SCALARS, Detail, detail, is_flat, pointer, refusal
from taskyard.domain.schema import compile_schema
from taskyard.domain.upload import UPLOADS, NamedUploads, UploadedFile
from taskyard.errors import ConfigurationError, ValidationFailed

Handler: TypeAlias = Callable[..., Any]
_Parameters: TypeAlias = dict[str, inspect.Parameter]
_Adapters: TypeAlias = dict[str, TypeAdapter[Any]]

_CONTEXTS = ("Context", "BlockingContext")
_DECIMAL = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_HELP_LINE = re.compile(r"^ *(\w+)(?: *\([^)\n]*\))?: +(\S.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Signature:
    """What a handler takes and gives; made by `Signature.of`.

    `input_schema` is a closed object with a property per parameter, `output_schema` None when the handler does
    not say what it returns. `takes_context` tells whether the first argument is the context.
    """

    name: str
    takes_context: bool
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None
    _inputs: _Adapters
    _required: frozenset[str]
    _integers: tuple[str, ...]
    _is_plain: bool
    _output: TypeAdapter[Any] | None

    @classmethod
    def of(cls, function: Handler) -> Signature:
        """Read the signature of a function, method or other callable.

        Raises `ConfigurationError` for parameters that cannot be named and for types that have no JSON Schema.
        """
        name = _name(function)
        takes_context, parameters = _parameters(function, name)
        hints = _hints(function, parameters, name)
        inputs = {key: _adapter(hints.get(key, Any), f"Parameter {key!r} of {name}") for key in parameters}
        returns = hints.get("return", Any)
        output = None if returns is Any else _adapter(returns, f"The return type of {name}")
        return cls(
            name=name,
            takes_context=takes_context,
            input_schema=_input_schema(function, name, parameters, inputs),
            output_schema=None if output is None else _output_schema(output, name),
            _inputs=inputs,
            _required=frozenset(key for key, each in parameters.items() if each.default is each.empty),
            _integers=tuple(key for key in parameters if _is_integer(hints.get(key))),
            _is_plain=all(_is_plain(hints.get(key, Any)) for key in parameters),
            _output=None if _is_plain(returns) else output,
        )

    def bind(
        self, values: dict[str, Any], *, prefix: str = "", uploads: Mapping[str, UploadedFile] | None = None
    ) -> dict[str, Any]:
        """The handler's keyword arguments for an input that fits `input_schema`; left-out defaults stay out.

        Values of plain JSON types are passed on as they are. `uploads` holds the known files by id; without it
        a file has only its id. Raises `ValidationFailed`, its paths after `prefix`, for what does not convert.
        """
        known, given = self._inputs.keys(), values.keys()
        if given != known and not self._required <= given <= known:
            raise refusal(_misnamed(values, known, self._required, prefix))
        if self._is_plain and not self._has_float_for_integer(values):
            return values
        return self._convert(values, prefix, NamedUploads() if uploads is None else uploads)

    def _has_float_for_integer(self, values: dict[str, Any]) -> bool:
        """JSON Schema takes 3.0 for an integer, Python does not."""
        return float in map(type, map(values.get, self._integers))

    def upload_ids(self, values: dict[str, Any]) -> list[str]:
        """The ids of the uploads that `values` names, for looking them up before `bind`."""
        named = NamedUploads()
        with suppress(ValidationFailed):
            self.bind(values, uploads=named)
        return list(named)

    def dump_output(self, value: Any) -> Any:
        """The handler's result as plain JSON values; raises `ValidationFailed` for what has no JSON form."""
        if self._output is None and is_flat(value):
            return value
        try:
            if self._output is None:
                return to_jsonable_python(value)
            return self._output.dump_python(value, mode="json", by_alias=True, warnings=False)
        except (PydanticSerializationError, ValueError, TypeError, RecursionError) as error:
            raise refusal([detail("", f"cannot be written as JSON: {error}", "type")], "The output") from error

    def load_output(self, value: Any) -> Any:
        """A stored result as the type the handler returns; raises `ValidationFailed` for what does not convert."""
        if self._output is None:
            return value
        try:
            return self._output.validate_python(value)
        except ValidationError as error:
            raise refusal(_pydantic_details(error, "")) from None

    def _convert(self, values: dict[str, Any], prefix: str, uploads: Mapping[str, UploadedFile]) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        details: list[Detail] = []
        for key, value in values.items():
            try:
                arguments[key] = self._inputs[key].validate_python(value, context={UPLOADS: uploads})
            except ValidationError as error:
                details += _pydantic_details(error, prefix + pointer([key]))
        if details:
            raise refusal(details)
        return arguments


def plain_input(values: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as plain JSON values: models, dates and files become what JSON has for them.

    What has no JSON form stays as it is, for the door to refuse with its place.
    """
    if type(values) is dict and is_flat(values):
        return dict(values)
    plain = {name: _upload_ids(value) for name, value in values.items()}
    if is_flat(plain):
        return plain
    try:
        return dict(to_jsonable_python(plain, by_alias=True))
    except (PydanticSerializationError, ValueError, TypeError, RecursionError):
        return plain


def _upload_ids(value: Any) -> Any:
    """A file, or a list of them, as what stands for it in JSON."""
    if isinstance(value, UploadedFile):
        return value.upload_id
    if isinstance(value, list) and any(isinstance(each, UploadedFile) for each in value):
        return [_upload_ids(each) for each in value]
    return value


class _ClosedSchema(GenerateJsonSchema):
    """Pydantic's schemas with closed objects, our titles, and patterns that run in linear time."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012  # as in the base class

    def get_title_from_name(self, name: str) -> str:
        return label_of(name)

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        return _closed(super().model_schema(schema), schema["cls"])

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        return _closed(super().dataclass_schema(schema), schema["cls"])

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> JsonSchemaValue:
        return _closed(super().typed_dict_schema(schema), schema.get("cls"))

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        decimal = super().decimal_schema(schema)
        for form in decimal.get("anyOf", [decimal]):
            if form.get("type") == "string":
                form["pattern"] = _DECIMAL
        return decimal


def _closed(schema: JsonSchemaValue, owner: Any) -> JsonSchemaValue:
    """Close an object unless its author said what becomes of extra fields."""
    config = getattr(owner, "model_config", None) or getattr(owner, "__pydantic_config__", None) or {}
    if schema.get("type") == "object" and "extra" not in config:
        schema.setdefault("additionalProperties", False)
    return schema


def _name(function: Handler) -> str:
    owner: Any = function if hasattr(function, "__qualname__") else type(function)
    return f"{owner.__module__}.{owner.__qualname__}"


def _parameters(function: Handler, name: str) -> tuple[bool, _Parameters]:
    """Whether the context comes first, and the parameters that the input fills."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError, NameError) as error:
        raise ConfigurationError(f"{name} cannot be a handler: {error}.") from error
    takes_context = bool(parameters) and _is_context(parameters[0])
    filled = {each.name: each for each in parameters[takes_context:]}
    for key, parameter in filled.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            kind = parameter.kind.description
            raise ConfigurationError(f"{name} has a {kind} parameter {parameter}; the input fills them by name.")
        if isinstance(parameter.default, FieldInfo):
            raise ConfigurationError(f"{name} must write {key!r} as Annotated[type, Field(…)], then its default.")
    return takes_context, filled


def _is_context(parameter: inspect.Parameter) -> bool:
    if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
        return False
    hint = parameter.annotation
    type_name = hint.strip("'\"") if isinstance(hint, str) else getattr(hint, "__name__", "")
    return parameter.name == "ctx" or type_name.rpartition(".")[2] in _CONTEXTS


def _hints(function: Handler, parameters: _Parameters, name: str) -> dict[str, Any]:
    """The resolved type hints without that of the context, which may be importable to type checkers only."""
    signature = inspect.signature(function)
    written = {key: each.annotation for key, each in parameters.items()} | {"return": signature.return_annotation}
    present = {key: hint for key, hint in written.items() if hint is not signature.empty}
    holder: Any = SimpleNamespace(__annotations__=present)
    try:
        return get_type_hints(holder, globalns=_globals(function), include_extras=True)
    except (NameError, TypeError, AttributeError, SyntaxError) as error:
        raise ConfigurationError(f"{name} has a type hint that its module cannot resolve: {error}.") from error


def _globals(function: Handler) -> dict[str, Any]:
    target: Any = inspect.unwrap(function)
    while isinstance(target, functools.partial):
        target = inspect.unwrap(target.func)
    if not hasattr(target, "__globals__") and not inspect.ismethod(target):
        target = type(target).__call__
    return getattr(inspect.unwrap(getattr(target, "__func__", target)), "__globals__", {})


def _adapter(hint: Any, subject: str) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(hint)
    except (PydanticUserError, NameError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigurationError(f"{subject} has a type that cannot be read: {reason}") from error


def _input_schema(function: Handler, name: str, parameters: _Parameters, adapters: _Adapters) -> dict[str, Any]:
    schemas, shared = _json_schemas(adapters, "validation", name)
    helps = dict(_HELP_LINE.findall(inspect.getdoc(function) or ""))
    properties: dict[str, Any] = {}
    for key, parameter in parameters.items():
        field = schemas[key]
        field.setdefault("title", label_of(key))
        if key in helps:
            field.setdefault("description", helps[key])
        if parameter.default is not parameter.empty:
            field |= _default(parameter.default, adapters[key], field | shared)
        properties[key] = field
    required = [key for key, each in parameters.items() if each.default is each.empty]
    schema = {"type": "object", "properties": properties, "additionalProperties": False, **shared}
    return schema | ({"required": required} if required else {})


def _output_schema(adapter: TypeAdapter[Any], name: str) -> dict[str, Any]:
    schemas, shared = _json_schemas({"return": adapter}, "serialization", name)
    return {**schemas["return"], **shared}


def _json_schemas(adapters: _Adapters, mode: JsonSchemaMode, name: str) -> tuple[dict[str, JsonSchemaValue], Any]:
    """The schema of each adapter, and the `$defs` they share."""
    wanted = [(key, mode, adapter) for key, adapter in adapters.items()]
    try:
        schemas, shared = TypeAdapter.json_schemas(wanted, schema_generator=_ClosedSchema)
    except PydanticUserError as error:
        raise ConfigurationError(f"{name} has a type that has no JSON Schema: {error.message}") from error
    return {key: schema for (key, _), schema in schemas.items()}, shared


def _default(value: Any, adapter: TypeAdapter[Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The default for the schema to show, if it is one that an input could hold."""
    with suppress(PydanticSerializationError, ValueError, TypeError, ValidationFailed):
        plain = adapter.dump_python(value, mode="json", by_alias=True, warnings=False)
        if compile_schema(schema).is_valid(plain):
            return {"default": plain}
    return {}


def _is_plain(hint: Any) -> bool:
    """Whether JSON's own values already are what the hint asks for."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _is_plain(arguments[0]) and all(isinstance(each, FieldInfo) for each in arguments[1:])
    if origin is Literal:
        return all(type(each) in SCALARS for each in arguments)
    if origin in (Union, UnionType):
        return all(map(_is_plain, arguments))
    if origin in (list, dict):
        keys_fit = origin is list or arguments[0] is str
        return keys_fit and _is_plain(arguments[-1]) and not _is_integer(arguments[-1])
    return hint is Any or hint in (*SCALARS, list, dict)


def _is_integer(hint: Any) -> bool:
    if get_origin(hint) in (Annotated, Union, UnionType):
        return any(map(_is_integer, get_args(hint)))
    return hint is int


def _misnamed(values: Mapping[str, Any], known: Any, required: frozenset[str], prefix: str) -> list[Detail]:
    unknown = [(key, "is not a known field", "additionalProperties") for key in values if key not in known]
    missing = [(key, "is required", "required") for key in known if key in required and key not in values]
    return [detail(prefix + pointer([key]), *words) for key, *words in unknown + missing]


def _pydantic_details(error: ValidationError, prefix: str) -> list[Detail]:
    return [
        detail(
            prefix + pointer(each["loc"]),
            f"is not accepted: {each['msg'].removeprefix('Value error, ')}",
            each["type"],
        )
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    ]

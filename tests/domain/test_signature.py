from __future__ import annotations

import enum
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast
from uuid import UUID

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from taskyard.domain.schema import compile_schema
from taskyard.domain.signature import Signature
from taskyard.domain.upload import UploadedFile
from taskyard.errors import ConfigurationError, ValidationFailed

if TYPE_CHECKING:
    from nowhere import Context  # type: ignore[import-not-found]  # as where the checker alone imports it


class Mode(enum.Enum):
    FAST = "fast"
    SLOW = "slow"


class Host(BaseModel):
    """A machine to reach."""

    host_name: str
    port: int = 22
    mode: Mode | None = None


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


@dataclass
class Plan:
    day: date
    hosts: list[Host] = field(default_factory=list)


class Limits(TypedDict):
    most: int


class Result(BaseModel):
    path: str
    price: Decimal
    at: datetime


def even(value: int) -> int:
    if value % 2:
        raise ValueError("it is odd")
    return value


async def plain(
    ctx: Any,
    format: Literal["sql", "tar"] = "sql",
    count: Annotated[int, Field(ge=1, description="How many.")] = 3,
    *,
    tags: list[str],
    options: dict[str, Any] | None = None,
) -> None:
    """Back up.

    Args:
        format: What to write.
        tags (list[str]): Words to find it by.
        count: Not shown, since the hint says more.
    """


def rich(context: Context, host: Host, plan: Plan, limits: Limits, mode: Mode = Mode.FAST) -> Result:
    return Result(path="/", price=Decimal("1.10"), at=datetime(2026, 1, 31, tzinfo=UTC))


def files(first: UploadedFile, others: Annotated[list[UploadedFile], Field(max_length=3)]) -> None: ...


def bare(value): ...  # type: ignore[no-untyped-def]  # as many are


RICH_INPUT = {
    "host": {"host_name": "db", "mode": "slow"},
    "plan": {"day": "2026-01-31", "hosts": [{"host_name": "a"}]},
    "limits": {"most": 2},
}


def test_a_signature_becomes_a_closed_object() -> None:
    signature = Signature.of(plain)
    assert signature.takes_context
    assert signature.output_schema == {"type": "null"}
    assert signature.input_schema == {
        "type": "object",
        "properties": {
            "format": {
                "title": "Format",
                "description": "What to write.",
                "enum": ["sql", "tar"],
                "type": "string",
                "default": "sql",
            },
            "count": {"title": "Count", "description": "How many.", "type": "integer", "minimum": 1, "default": 3},
            "tags": {
                "title": "Tags",
                "description": "Words to find it by.",
                "type": "array",
                "items": {"type": "string"},
            },
            "options": {
                "title": "Options",
                "anyOf": [{"type": "object", "additionalProperties": True}, {"type": "null"}],
                "default": None,
            },
        },
        "additionalProperties": False,
        "required": ["tags"],
    }
    assert list(signature.input_schema["properties"]) == ["format", "count", "tags", "options"]


def test_the_objects_within_are_closed_unless_their_author_opened_them() -> None:
    def takes(host: Host, plan: Plan, limits: Limits, anything: Open) -> None: ...

    shapes = Signature.of(takes).input_schema["$defs"]
    assert {name: shapes[name].get("additionalProperties") for name in ("Host", "Plan", "Limits", "Open")} == {
        "Host": False,
        "Plan": False,
        "Limits": False,
        "Open": True,
    }
    assert shapes["Host"]["properties"]["host_name"]["title"] == "Host name"


def test_typed_input_is_converted() -> None:
    signature = Signature.of(rich)
    compile_schema(signature.input_schema).check(RICH_INPUT)
    assert signature.bind(RICH_INPUT) == {
        "host": Host(host_name="db", mode=Mode.SLOW),
        "plan": Plan(date(2026, 1, 31), [Host(host_name="a")]),
        "limits": {"most": 2},
    }
    assert signature.input_schema["properties"]["mode"]["default"] == "fast"


def test_common_types_are_converted() -> None:
    def takes(at: datetime, key: UUID, price: Decimal, either: int | Mode) -> None: ...

    signature = Signature.of(takes)
    values = {"at": "2026-01-31T00:00:00Z", "key": str(UUID(int=1)), "price": "1.10", "either": "fast"}
    compile_schema(signature.input_schema).check(values)
    assert signature.bind(values) == {
        "at": datetime(2026, 1, 31, tzinfo=UTC),
        "key": UUID(int=1),
        "price": Decimal("1.10"),
        "either": Mode.FAST,
    }
    assert not compile_schema(signature.input_schema).is_valid({**values, "price": "cheap"})


def test_plain_input_is_passed_on_as_it_is() -> None:
    values = {"tags": ["a"], "count": 2}
    assert Signature.of(plain).bind(values) is values


def test_a_whole_float_becomes_the_integer_that_the_schema_took_it_for() -> None:
    signature = Signature.of(plain)
    values = {"tags": [], "count": 2.0}
    compile_schema(signature.input_schema).check(values)
    assert type(signature.bind(values)["count"]) is int

    def takes(numbers: list[int], maybe: int | None = None) -> None: ...

    bound = Signature.of(takes).bind({"numbers": [1.0], "maybe": 2.0})
    assert list(map(type, [*bound["numbers"], bound["maybe"]])) == [int, int]


def test_validators_of_the_hint_are_run() -> None:
    def takes(number: Annotated[int, AfterValidator(even)]) -> None: ...

    with pytest.raises(ValidationFailed) as caught:
        Signature.of(takes).bind({"number": 3}, prefix="/input")
    assert caught.value.details == [
        {"path": "/input/number", "message": "is not accepted: it is odd", "keyword": "value_error"}
    ]


def test_every_value_that_does_not_convert_is_named() -> None:
    broken = {**RICH_INPUT, "host": {"host_name": "a", "port": "x"}, "limits": {}}
    with pytest.raises(ValidationFailed) as caught:
        Signature.of(rich).bind(broken, prefix="/input")
    assert [detail["path"] for detail in caught.value.details] == ["/input/host/port", "/input/limits/most"]


def test_input_pinned_to_another_signature_is_refused() -> None:
    with pytest.raises(ValidationFailed) as caught:
        Signature.of(plain).bind({"label": "a"}, prefix="/input")
    assert [(detail["path"], detail["keyword"]) for detail in caught.value.details] == [
        ("/input/label", "additionalProperties"),
        ("/input/tags", "required"),
    ]


def test_uploads_are_looked_up_by_their_ids() -> None:
    signature = Signature.of(files)
    assert signature.input_schema["properties"]["first"] == {"title": "First", "type": "string", "format": "upload"}
    values = {"first": "u1", "others": ["u2", "u1"]}
    assert signature.upload_ids(values) == ["u1", "u2"]
    assert signature.bind(values)["first"] == UploadedFile("u1")
    known = {key: UploadedFile(key, f"{key}.csv", 3, "00") for key in ("u1", "u2")}
    assert signature.bind(values, uploads=known) == {"first": known["u1"], "others": [known["u2"], known["u1"]]}
    with pytest.raises(ValidationFailed, match=r"/others/0 is not accepted: there is no such upload"):
        signature.bind(values, uploads={"u1": known["u1"]})
    with pytest.raises(ValidationFailed, match="an upload id is a string"):
        signature.bind({"first": 1, "others": []})
    assert signature.upload_ids({"first": 1, "others": ["u3"]}) == ["u3"]
    assert Signature.of(plain).upload_ids({"tags": []}) == []


def test_an_upload_is_written_as_its_id() -> None:
    def gives() -> list[UploadedFile]:
        return []

    assert Signature.of(gives).dump_output([UploadedFile("u1", "a.csv")]) == ["u1"]


def test_results_are_written_as_their_schema_says() -> None:
    signature = Signature.of(rich)
    written = signature.dump_output(cast("Any", rich)(None, *[None] * 3))
    assert written == {"path": "/", "price": "1.10", "at": "2026-01-31T00:00:00Z"}
    assert signature.output_schema is not None
    compile_schema(signature.output_schema).check(written)


def test_stored_results_are_read_as_the_type_the_handler_returns() -> None:
    signature = Signature.of(rich)
    result = cast("Any", rich)(None, *[None] * 3)
    assert signature.load_output(signature.dump_output(result)) == result
    assert Signature.of(bare).load_output({"a": 1}) == {"a": 1}
    with pytest.raises(ValidationFailed, match="/path is not accepted"):
        signature.load_output({"path": 3, "price": "1", "at": "2026-01-31T00:00:00Z"})


def test_results_without_a_hint_are_written_by_what_they_are() -> None:
    signature = Signature.of(bare)
    assert signature.output_schema is None
    for value in (None, True, 3, 1.5, "a", {"a": 1}, [1, None], {"a": {"b": [1]}}):
        assert signature.dump_output(value) == value
    assert signature.dump_output({"hosts": [Host(host_name="a")], "on": date(2026, 1, 31), "mode": Mode.FAST}) == {
        "hosts": [{"host_name": "a", "port": 22, "mode": None}],
        "on": "2026-01-31",
        "mode": "fast",
    }


@pytest.mark.parametrize("value", [object(), {"a": object()}, b"\xff"])
def test_results_that_are_not_json_are_refused(value: Any) -> None:
    with pytest.raises(ValidationFailed, match=r"^The output cannot be written as JSON"):
        Signature.of(bare).dump_output(value)


def test_a_result_that_breaks_its_hint_is_left_to_the_schema() -> None:
    signature = Signature.of(rich)
    assert signature.output_schema is not None
    assert not compile_schema(signature.output_schema).is_valid(signature.dump_output({"path": 3}))


def test_a_parameter_without_a_hint_takes_anything() -> None:
    assert Signature.of(bare).input_schema["properties"] == {"value": {"title": "Value"}}
    assert not Signature.of(bare).takes_context


def test_defaults_that_an_input_cannot_hold_are_not_shown() -> None:
    def takes(wrong: str = None, far: float = math.inf, odd: Any = object()) -> None: ...  # type: ignore[assignment]  # as others write  # noqa: RUF013, B008

    assert all("default" not in shape for shape in Signature.of(takes).input_schema["properties"].values())


def test_every_kind_of_callable_has_a_signature() -> None:
    class Handler:
        def __call__(self, ctx: Any, mode: Mode) -> int:
            return 0

        def method(self, mode: Mode) -> int:
            return 0

    for function in (Handler(), Handler().method, functools.partial(rich, None), lambda mode: mode):
        assert "mode" in Signature.of(function).input_schema["properties"]
    assert Signature.of(Handler()).takes_context
    assert Signature.of(Handler()).bind({"mode": "fast"}) == {"mode": Mode.FAST}
    assert Signature.of(functools.partial(plain, tags=[])).input_schema["properties"]["tags"]["default"] == []


class Undocumented: ...


def variadic(*values: int) -> None: ...
def keywords(**values: int) -> None: ...
def positional(value: int, /) -> None: ...
def callback(value: Callable[[], int]) -> None: ...
def unknown_class(value: Undocumented) -> None: ...
def unknown_result() -> Undocumented:
    return Undocumented()


def unresolved(value: Missing) -> None: ...  # type: ignore[name-defined]  # there is none  # noqa: F821
def field_default(value: int = Field(3)) -> None: ...


@pytest.mark.parametrize(
    "function",
    [variadic, keywords, positional, callback, unknown_class, unknown_result, unresolved, field_default],
)
def test_a_signature_that_cannot_be_used_is_refused_by_name(function: Callable[..., Any]) -> None:
    with pytest.raises(ConfigurationError, match=rf"test_signature\.{function.__name__}"):
        Signature.of(function)


def test_only_callables_have_signatures() -> None:
    with pytest.raises(ConfigurationError, match="not a callable"):
        Signature.of(3)  # type: ignore[arg-type]  # it is what is refused

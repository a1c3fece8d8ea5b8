"""Options on the command line become the input that the schema asks for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from taskyard.cli.fields import assignments_of, fields_of, read_input, upload_names
from taskyard.errors import ConfigurationError, Malformed, TaskyardError, ValidationFailed

STRING = {"type": "string"}
SCHEMA = {
    "type": "object",
    "properties": {
        "name": STRING,
        "keep": {"type": "integer"},
        "ratio": {"type": "number"},
        "dry_run": {"type": "boolean"},
        "perStep": {"type": "integer"},
        "mode": {"enum": ["up", "down"], "type": "string"},
        "level": {"enum": [1, 2]},
        "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
        "tags": {"type": "array", "items": STRING},
        "sizes": {"type": "array", "items": {"type": "integer"}},
        "place": {"$ref": "#/$defs/Place"},
        "places": {"type": "array", "items": {"$ref": "#/$defs/Place"}},
        "anything": {},
        "photo": {"type": "string", "format": "upload"},
        "photos": {"type": "array", "items": {"type": "string", "format": "upload"}},
    },
    "$defs": {"Place": {"type": "object", "properties": {"x": {"type": "integer"}}}},
}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {}),
        (["--name", "5"], {"name": "5"}),
        (["--name=a=b"], {"name": "a=b"}),
        (["--name", ""], {"name": ""}),
        (["--keep", "5"], {"keep": 5}),
        (["--keep", "-5"], {"keep": -5}),
        (["--keep", "five"], {"keep": "five"}),
        (["--ratio", "2"], {"ratio": 2.0}),
        (["--ratio", "nan"], {"ratio": "nan"}),
        (["--dry_run"], {"dry_run": True}),
        (["--dry-run", "--keep", "1"], {"dry_run": True, "keep": 1}),
        (["--dry-run", "false"], {"dry_run": False}),
        (["--no-dry-run"], {"dry_run": False}),
        (["--per-step", "3"], {"perStep": 3}),
        (["--mode", "down"], {"mode": "down"}),
        (["--level", "2"], {"level": 2}),
        (["--maybe", "null"], {"maybe": None}),
        (["--maybe", "3"], {"maybe": 3}),
        (["--tags", "a"], {"tags": ["a"]}),
        (["--tags", "a", "--tags", "b"], {"tags": ["a", "b"]}),
        (["--tags", '["a", "b"]'], {"tags": ["a", "b"]}),
        (["--sizes", "1", "--sizes", "2"], {"sizes": [1, 2]}),
        (["--place", '{"x": 1}'], {"place": {"x": 1}}),
        (["--places", '[{"x": 1}]'], {"places": [{"x": 1}]}),
        (["--place", "nowhere"], {"place": "nowhere"}),
        (["--anything", "[1]"], {"anything": [1]}),
        (["--anything", "text"], {"anything": "text"}),
        (["--unknown", "7"], {"unknown": 7}),
        (["--no-unknown"], {"no-unknown": True}),
    ],
)
def test_fields_are_typed_by_the_schema(arguments: list[str], expected: dict[str, Any]) -> None:
    assert fields_of(arguments, SCHEMA) == expected


def test_without_a_schema_json_is_json_and_all_else_text() -> None:
    given = ["--a", "1", "--b", "one", "--c"]
    assert fields_of(given, None) == {"a": 1, "b": "one", "c": True}


@pytest.mark.parametrize("arguments", [["stray"], ["--name", "a", "stray"], ["-x", "1"], ["--"], ["--=1"]])
def test_what_belongs_to_no_option_is_refused(arguments: list[str]) -> None:
    with pytest.raises(ValidationFailed, match="belongs to no option"):
        fields_of(arguments, SCHEMA)


def test_an_object_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "place.json"
    file.write_text(json.dumps({"x": 2}))
    assert fields_of(["--place", f"@{file}"], SCHEMA) == {"place": {"x": 2}}


def test_text_that_begins_with_an_at_sign_stays_text() -> None:
    assert fields_of(["--name", "@someone"], SCHEMA) == {"name": "@someone"}


def test_the_fields_that_take_files_are_known() -> None:
    assert upload_names(SCHEMA) == {"photo", "photos"}
    assert upload_names(None) == set()


def test_assignments_are_typed_too() -> None:
    assert assignments_of(["keep=5", "name=a=b"], SCHEMA) == {"keep": 5, "name": "a=b"}
    with pytest.raises(ValidationFailed, match="name=value"):
        assignments_of(["keep"], SCHEMA)


def test_input_is_json_or_a_file_of_it(tmp_path: Path) -> None:
    file = tmp_path / "input.json"
    file.write_text("[1]")
    assert read_input('{"a": 1}') == {"a": 1}
    assert read_input(f"@{file}") == [1]


@pytest.mark.parametrize(
    ("text", "error"), [("{", Malformed), ("@missing.json", ConfigurationError), ("9" * 30, ValidationFailed)]
)
def test_input_that_cannot_be_read_is_refused(text: str, error: type[TaskyardError]) -> None:
    with pytest.raises(error):
        read_input(text)

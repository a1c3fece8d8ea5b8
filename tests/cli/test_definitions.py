"""`taskyard definitions`: files of definitions, checked and pushed; and what is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.command import Command

from taskyard.cli.definition_files import check_files, read_definitions
from taskyard.errors import ValidationFailed

MANY = """
# two in one document, one in another
- key: ship
  title: Ship
  implementation: {kind: external, topic: ship}
  inputSchema:
    type: object
    properties: {day: {type: string, default: 2026-01-31}}
    additionalProperties: false
- key: greet
  implementation: {kind: python, source: "@scripts/greet.py"}
---
key: approve
implementation: {kind: manual}
"""


def files(folder: Path, **contents: str) -> list[str]:
    paths = []
    for name, text in contents.items():
        path = folder / name.replace("_", ".")
        path.write_text(text)
        paths.append(str(path))
    return paths


def test_one_file_holds_many_and_sources_lie_beside_it(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "greet.py").write_text("def main(input, ctx):\n    return 'hello'\n")
    ship, greet, approve = read_definitions(files(tmp_path, many_yaml=MANY))
    assert ship["inputSchema"]["properties"]["day"]["default"] == "2026-01-31"
    assert greet["implementation"]["source"] == "def main(input, ctx):\n    return 'hello'\n"
    assert approve["key"] == "approve"


def test_a_file_may_be_json(tmp_path: Path) -> None:
    text = json.dumps({"key": "a", "implementation": {"kind": "external", "topic": "t"}})
    assert [one["key"] for one in read_definitions(files(tmp_path, a_json=text))] == ["a"]


def test_every_error_is_found_with_its_place(tmp_path: Path) -> None:
    text = """
- {key: good, implementation: {kind: external}}
- {key: bad, timeout: soon, colour: red}
- {key: "no spaces", implementation: {kind: external}}
- {implementation: {kind: python, source: "@missing.py"}}
- 7
"""
    (file,) = files(tmp_path, many_yaml=text)
    checked = check_files([file])
    assert [one["key"] for one in checked.definitions] == ["good"]
    found = [(finding.definition, finding.path) for finding in checked.findings]
    assert ("bad", "/timeout") in found
    assert ("bad", "/colour") in found
    assert ("no spaces", "/key") in found
    assert [finding.message for finding in checked.findings if finding.definition == "#4"] == [
        f"{tmp_path}/missing.py cannot be read: No such file or directory"
    ]
    assert [finding.definition for finding in checked.findings][-1] == "#5"
    with pytest.raises(ValidationFailed, match="and 4 more"):
        read_definitions([file])
    with pytest.raises(ValidationFailed, match=r"^nowhere.yaml: cannot be read: No such file or directory$"):
        read_definitions(["nowhere.yaml"])


@pytest.mark.parametrize("text", ["", "a: [", "\x00", "1: x"])
def test_a_file_that_holds_no_definition_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValidationFailed):
        read_definitions(files(tmp_path, a_yaml=text))


def test_validate_names_every_error_and_exits_with_2(taskyard: Command) -> None:
    (taskyard / "bad.yaml").write_text("{key: bad, timeout: soon, colour: red}")
    ended = taskyard("definitions", "validate", "bad.yaml")
    assert ended.code == 2
    assert {line.split()[1] for line in ended.out.splitlines()} == {"bad/timeout", "bad/colour"}
    assert not (taskyard / "taskyard.db").exists()
    assert taskyard("definitions", "validate", "bad.yaml", "--json").json["errors"][0]["definition"] == "bad"


def test_push_stores_all_or_nothing(taskyard: Command) -> None:
    (taskyard / "good.yaml").write_text("{key: ship, title: Ship, implementation: {kind: external, topic: ship}}")
    (taskyard / "bad.yaml").write_text("{key: bad, timeout: soon}")
    assert taskyard("definitions", "push", "good.yaml", "bad.yaml").code == 2
    listed = taskyard.done("definitions")
    assert (listed.out, listed.err) == ("", "there are no definitions yet\n")
    pushed = taskyard.done("definitions", "push", "good.yaml", "--json").json["items"]
    again = taskyard.done("definitions", "push", "good.yaml", "--json").json["items"]
    assert [one["version"] for one in pushed] == [one["version"] for one in again]
    assert "ship  Ship   external" in taskyard.done("definitions", "list").out
    shown = taskyard.done("definitions", "show", "ship", "--json").json
    assert (shown["key"], shown["version"]) == ("ship", pushed[0]["version"])
    assert len(taskyard.done("definitions", "show", "ship", "--versions", "--json").json["items"]) == 1


def test_show_names_the_fields_that_run_takes(taskyard: Command) -> None:
    shown = taskyard.done("definitions", "show", "count", "--app", "jobs:yard").out
    assert "--loud" in shown
    assert "boolean" in shown
    assert taskyard("definitions", "show", "nothing").code == 2

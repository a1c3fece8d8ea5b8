"""Files of source code at the command line: their headers, trying them, and how versions differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import Command

from taskyard.cli.definition_diff import diff_versions
from taskyard.cli.definition_files import check_files
from taskyard.cli.script_files import script_definition
from taskyard.errors import NotFound, ValidationFailed

ADD = b"""#!/usr/bin/env python3
# /// taskyard
# title: Add
# inputSchema: {type: object, required: [a], properties: {a: {type: integer}, b: {type: integer, default: 2}}}
# implementation: {resources: {cpuSeconds: 2}}
# ///
def main(input, ctx):
    ctx.log.info("adding")
    return input["a"] + input.get("b", 2)
"""


def test_a_header_says_what_the_file_does_not() -> None:
    made = script_definition("some folder/add up.py", ADD)
    assert (made["key"], made["title"]) == ("add-up", "Add")
    assert made["implementation"] == {"kind": "python", "resources": {"cpuSeconds": 2}, "source": ADD.decode()}
    made = script_definition("a.ts", b"// /// taskyard\n// key: b\n// since: 2026-01-31\n// ///\nexport default 1")
    assert (made["key"], made["since"], made["implementation"]["kind"]) == ("b", "2026-01-31", "typescript")
    assert script_definition("some folder/add up.py", b"\xef\xbb\xbf" + ADD.replace(b"\n", b"\r\n"))["title"] == "Add"
    assert script_definition("x.sh", b"echo 1\r\n")["implementation"]["source"] == "echo 1\n"
    assert script_definition("x.sh", b"echo 1")["implementation"] == {"kind": "shell", "source": "echo 1"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"# /// taskyard\n# key: a\n", "no end"),
        (b"# /// taskyard\n# key: [\n# ///\n", "not YAML"),
        (b"# /// taskyard\n# - a\n# ///\n", "no mapping"),
        (b"# /// taskyard\n# ///\n# /// taskyard\n# ///\n", "more than one"),
        (b"# /// taskyard\n# implementation: 1\n# ///\n", "implementation is no mapping"),
        (b"\xff", "UTF-8"),
    ],
)
def test_a_header_that_cannot_be_read_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(ValidationFailed, match=message):
        script_definition("a.py", content)


def test_unknown_fields_are_named(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_bytes(b"# /// taskyard\n# sauce: 1\n# implementation: {isolation: SOME}\n# ///\n")
    assert {finding.path for finding in check_files([str(file)]).findings} == {"/sauce"}


def version(number: int, source: str, **more: Any) -> dict[str, Any]:
    implementation = {"kind": "python", "source": source}
    return {"key": "a", "number": number, "version": f"v{number}", "implementation": implementation, **more}


def test_two_versions_differ_line_by_line() -> None:
    versions = [version(3, "x = 1\ny = 3\n"), version(2, "x = 1\ny = 2\n", title="A"), version(1, "x = 1\n")]
    lines = diff_versions(versions, None, None)
    assert lines[:2] == ["--- v2", "+++ v3"]
    assert {"-    y = 2", "+    y = 3", "-title: A"} <= set(lines)
    assert diff_versions(versions, "v1", "v1") == []
    with pytest.raises(NotFound, match="first version"):
        diff_versions(versions, None, "v1")
    with pytest.raises(NotFound, match="no version 'v9'"):
        diff_versions(versions, "v9", None)


def test_a_file_is_tried_pushed_and_compared(taskyard: Command) -> None:
    file = taskyard / "add.py"
    file.write_bytes(ADD)
    tried = taskyard.done("run", "add.py", "--a", "1", "--json").json
    assert (tried["status"], tried["output"], tried["tier"] in ("bubblewrap", "landlock")) == ("COMPLETED", 3, True)
    assert not (taskyard / "taskyard.db").exists()
    assert taskyard("run", "add.py", "--a", "x").code == 2
    taskyard.done("definitions", "push", "add.py")
    file.write_bytes(ADD.replace(b"adding", b"summing"))
    taskyard.done("definitions", "push", "add.py")
    told = taskyard.done("definitions", "diff", "add").out.splitlines()
    assert {line.replace(" ", "") for line in told} >= {'-ctx.log.info("adding")', '+ctx.log.info("summing")'}
    file.write_bytes(b"def main(input, ctx): raise ValueError('no')")
    failed = taskyard("run", "add.py")
    assert (failed.code, "ValueError: no" in failed.err) == (1, True)

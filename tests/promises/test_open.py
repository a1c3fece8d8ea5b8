"""The list of open promises, and what the tests of the kept ones cite."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.promises.headings import HEADINGS

FOLDER = Path(__file__).parent
ISSUES = {"automated", "core", "engine", "events", "integration", "people", "ui"}
LINE = re.compile(r"- open: (?P<document>[\w-]+\.md) § (?P<heading>.+?) — (?P<promise>.+) \(issue: (?P<issue>\w+)\)")


def open_lines() -> list[str]:
    """The lines of the list that name a promise."""
    text = (FOLDER / "OPEN.md").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.startswith("-")]


def kept_promises() -> Iterator[tuple[str, str]]:
    """Each test that keeps a promise, with its docstring."""
    for path in sorted(FOLDER.glob("test_*.py")):
        if path.name == Path(__file__).name:
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield f"{path.name}::{node.name}", ast.get_docstring(node) or ""


def test_each_open_promise_names_its_heading_and_its_issue() -> None:
    wrong = []
    for line in open_lines():
        found = LINE.fullmatch(line)
        if not found or found["heading"] not in HEADINGS[found["document"]] or found["issue"] not in ISSUES:
            wrong.append(line)
    assert not wrong, "the form is: - open: <document> § <heading> — <promise> (issue: <issue>)"


def test_no_promise_is_open_twice() -> None:
    assert len(open_lines()) == len(set(open_lines()))


def cites(text: str) -> bool:
    """Whether a docstring begins with a document, a heading that it has, and some words."""
    return any(
        re.match(re.escape(f"{document} § {heading}:") + r"\s+\S", text)
        for document, headings in HEADINGS.items()
        for heading in headings
    )


def test_each_kept_promise_cites_a_heading_that_exists() -> None:
    assert not [name for name, text in kept_promises() if not cites(text)]

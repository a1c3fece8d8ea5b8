"""The packages that code depends on, as definitions and sources say them."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.domain import dependencies
from taskyard.domain.dependencies import Dependencies, dependencies_of, is_python
from taskyard.errors import ValidationFailed

HEADER = "# /// script\n{}\n# ///\ndef main(input, ctx): return 1\n"


def of(kind: str, source: str = "", **more: Any) -> Dependencies | None:
    return dependencies_of({"kind": kind, "source": source, **more})


def test_python_says_them_in_its_header_or_its_definition() -> None:
    header = HEADER.format(
        '# requires-python = ">=3.11,<4"\n# dependencies = [\n#   "b>=2",\n#   "a[x]==1.0; os_name == \'posix\'",\n# ]'
    )
    expected = ("a[x]==1.0; os_name == 'posix'", "b>=2")
    assert of("python", header) == Dependencies(expected, (), ">=3.11,<4")
    assert of("python", dependencies=["b", "a~=1.4", "b"]) == Dependencies(("a~=1.4", "b"))
    assert of("python", "def main(i, c): return 1") is None
    assert of("python", "# /// taskyard\n# key: a\n# ///\n" + HEADER.format('# dependencies = ["a"]')) == Dependencies(
        ("a",)
    )


def test_javascript_says_them_in_its_source_or_an_import_map() -> None:
    source = """import a from "npm:left@^1/sub.js"; const b = await import('npm:@scope/b@2.x'); // 'npm: no'"""
    assert of("javascript", source) == Dependencies(("@scope/b@2.x", "left@^1"))
    imports = {"yaml": "npm:yaml@2", "b/": "npm:/b@1/"}
    assert of("typescript", imports=imports) == Dependencies(
        ("b@1", "yaml@2"), (("b/", "npm:/b@1/"), ("yaml", "npm:yaml@2"))
    )
    assert of("javascript", "export default () => 'npm is a registry'") is None
    assert of("shell", "echo 'npm:left'") is None


@pytest.mark.parametrize(
    ("kind", "source", "more", "path"),
    [
        ("python", "", {"dependencies": ["a @ https://example.com/a.whl"]}, "/implementation/dependencies/0"),
        ("python", "", {"dependencies": ["a", "-r /etc/passwd"]}, "/implementation/dependencies/1"),
        ("python", "", {"dependencies": ["a\n--index b"]}, "/implementation/dependencies/0"),
        ("python", "", {"dependencies": ["./local"]}, "/implementation/dependencies/0"),
        ("python", "", {"dependencies": ["a" * 400]}, "/implementation/dependencies/0"),
        ("python", "", {"dependencies": [f"a{n}" for n in range(101)]}, "/implementation"),
        ("python", HEADER.format("# dependencies = [1]"), {}, "/implementation/source"),
        ("python", HEADER.format("# dependencies = 'a'"), {}, "/implementation/source"),
        ("python", HEADER.format("# dependencies = ['a"), {}, "/implementation/source"),
        ("python", HEADER.format("# requires-python = 'the newest'"), {}, "/implementation/source"),
        ("python", HEADER.format("# dependencies = ['a']"), {"dependencies": ["b"]}, "/implementation/dependencies"),
        ("python", HEADER.format("#") * 2, {}, "/implementation/source"),
        ("python", "# /// script\n# dependencies = []\n", {}, "/implementation/source"),
        ("python", "", {"imports": {"a": "npm:a"}}, "/implementation/imports"),
        ("javascript", "", {"dependencies": ["a"]}, "/implementation/dependencies"),
        ("javascript", "", {"imports": {"a/b": "https://example.com/a.js"}}, "/implementation/imports/a~1b"),
        ("javascript", "", {"imports": {"a": "file:///etc/passwd"}}, "/implementation/imports/a"),
        ("shell", "", {"dependencies": ["a"]}, "/implementation/dependencies"),
        ("python-lite", HEADER.format("# dependencies = ['a']"), {}, "/implementation/source"),
    ],
)  # fmt: skip
def test_what_is_no_name_with_versions_is_refused(kind: str, source: str, more: dict[str, Any], path: str) -> None:
    with pytest.raises(ValidationFailed) as failed:
        of(kind, source, **more)
    assert failed.value.details[0]["path"] == path


def test_of_many_beginnings_none_is_followed_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[str] = []
    monkeypatch.setattr(dependencies, "_HEADER", SimpleNamespace(search=searched.append, finditer=searched.append))
    with pytest.raises(ValidationFailed, match="more than one header"):
        of("python", "# /// script\n" * 4000)
    assert not searched


@given(st.sampled_from(["python", "javascript", "python-lite"]), st.text(), st.text())
def test_any_source_is_read_or_refused(kind: str, before: str, within: str) -> None:
    with contextlib.suppress(ValidationFailed):
        of(kind, f"{before}\n# /// script\n# {within}\n# ///\nimport 'npm:{within}'")


@given(st.text(alphabet="abAB09.-_~^*<>=!,;@/[]() '\"\n", max_size=60))
def test_no_requirement_that_is_taken_has_an_address_or_a_second_line(text: str) -> None:
    try:
        found = of("python", dependencies=[text])
    except ValidationFailed:
        return
    assert found is not None
    assert "@" not in found.packages[0]
    assert "/" not in found.packages[0].partition(";")[0]
    assert "\n" not in found.packages[0]


@pytest.mark.parametrize(
    ("asked", "is_one"),
    [
        ("", True), (">=3.11", True), (">=3.11.7", True), (">=3.11.8", False), (">=3.12", False), ("<3.12,>=3.9", True),
        ("==3.11.*", True), ("==3.10.*", False), ("==3.11", False), ("!=3.11.*", False), ("!=3.11", True),
        ("~=3.10", True), ("~=3.11.6", True), ("~=3.10.1", False), (">3.11", True), ("<=3", False), ("<4", True),
    ],
)  # fmt: skip
def test_which_python_is_asked_for(asked: str, is_one: bool) -> None:
    assert is_python(asked, (3, 11, 7)) is is_one

"""The packages that code of a definition depends on: by name and versions, never by an address.

Python says them in `dependencies`, or in a header of its source (PEP 723, <https://peps.python.org/pep-0723/>);
JavaScript and TypeScript in `imports`, an import map, or by `npm:` specifiers in their source.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any, NamedTuple

from taskyard.domain.json import pointer
from taskyard.domain.policy import invalid

_MOST = 100
_LONGEST = 300
_SOURCE, _DEPENDENCIES, _IMPORTS = "/implementation/source", "/implementation/dependencies", "/implementation/imports"

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_VERSIONS = r"(?:===|==|~=|!=|<=|>=|<|>) *[A-Za-z0-9.*+!_-]+"
_VERSION_LIST = rf"{_VERSIONS}(?: *, *{_VERSIONS})*"
_REQUIREMENT = re.compile(
    rf"{_NAME} *(?:\[ *{_NAME}(?: *, *{_NAME})* *\])? *(?:{_VERSION_LIST}|\( *{_VERSION_LIST} *\))?"
    r" *(?:;[A-Za-z0-9_ .'\"<>=!~(),-]*)?"
)
_SPECIFIER = re.compile(
    r"npm:/?(?P<package>(?:@[A-Za-z0-9~-][A-Za-z0-9._~-]*/)?[A-Za-z0-9~-][A-Za-z0-9._~-]*"
    r"(?:@[A-Za-z0-9.*^~<>=|+ -]+)?)(?:/[A-Za-z0-9._~@+/-]*)?"
)
_QUOTED = re.compile(r"""["'`](npm:[^"'`\s\\][^"'`\n\\]*)["'`]""")
_PYTHON = re.compile(r"(?P<how>==|~=|!=|<=|>=|<|>) *(?P<numbers>[0-9]{1,4}(?:\.[0-9]{1,4}){0,2})(?P<any>\.\*)?")
_HEADER = re.compile(r"^# /// script[ \t]*\n(?P<lines>(?:^#(?: [^\n]*)?\n)*?)^# ///[ \t]*$", re.MULTILINE)
_HEADER_BEGINS = re.compile(r"^# /// script[ \t]*$", re.MULTILINE)


class Dependencies(NamedTuple):
    """What has to be installed: requirements (PEP 508) or npm packages, in order, each once.

    `imports`: the import map's names and specifiers. `python`: the versions of Python that the source asks for.
    """

    packages: tuple[str, ...]
    imports: tuple[tuple[str, str], ...] = ()
    python: str = ""


def dependencies_of(implementation: Mapping[str, Any]) -> Dependencies | None:
    """The packages that a script depends on; None where it depends on none. Raises ValidationFailed."""
    kind = str(implementation.get("kind"))
    listed, imports = implementation.get("dependencies") or [], implementation.get("imports") or {}
    source = str(implementation.get("source", ""))
    if listed and kind != "python":
        raise invalid(_DEPENDENCIES, f"{kind} takes none; only python does", "kind")
    if imports and kind not in ("javascript", "typescript"):
        raise invalid(_IMPORTS, f"{kind} takes none; only javascript and typescript do", "kind")
    if kind == "python":
        return _of_python(listed, source)
    if kind in ("javascript", "typescript"):
        return _of_javascript(imports, source)
    if kind == "python-lite" and _HEADER_BEGINS.search(source) and _header(source).get("dependencies"):
        raise invalid(_SOURCE, "python-lite has no packages; use kind python", "kind")
    return None


def is_python(asked: str, version: tuple[int, int, int]) -> bool:
    """Whether a Python of this version is one that `requires-python` asks for (PEP 440, releases only)."""
    return all(_is_version(clause.strip(), version) for clause in asked.split(",")) if asked else True


def _is_version(clause: str, version: tuple[int, int, int]) -> bool:
    found = _PYTHON.fullmatch(clause)
    if found is None:
        return False
    numbers = tuple(map(int, found["numbers"].split(".")))
    whole = (*numbers, 0, 0)[:3]
    alike = version[: len(numbers)] == numbers if found["any"] else version == whole
    return {
        "==": alike, "!=": not alike, ">=": version >= whole, "<=": version <= whole, ">": version > whole,
        "<": version < whole, "~=": version >= whole and version[: len(numbers) - 1] == numbers[:-1],
    }[found["how"]]  # fmt: skip


def _of_python(listed: list[str], source: str) -> Dependencies | None:
    header = _header(source)
    in_header, python = header.get("dependencies", []), header.get("requires-python", "")
    if listed and in_header:
        raise invalid(_DEPENDENCIES, "name them here or in the source's header, not in both", "const")
    if not isinstance(in_header, list) or not isinstance(python, str):
        raise invalid(_SOURCE, "the header's `dependencies` is a list of texts, its `requires-python` a text", "type")
    if python and not all(_PYTHON.fullmatch(clause.strip()) for clause in python.split(",")):
        raise invalid(_SOURCE, f"{python!r} names no versions of Python; write for instance >=3.11", "pattern")
    packages = [
        *(_requirement(each, f"{_DEPENDENCIES}/{index}") for index, each in enumerate(listed)),
        *(_requirement(each, _SOURCE) for each in in_header),
    ]
    return _bounded(Dependencies(_each_once(packages), (), python)) if packages or python else None


def _of_javascript(imports: Mapping[str, str], source: str) -> Dependencies | None:
    packages = []
    for name, specifier in imports.items():
        found = _SPECIFIER.fullmatch(specifier) if len(specifier) <= _LONGEST else None
        if found is None:
            where = pointer(("implementation", "imports", name))
            raise invalid(where, f"{specifier!r} is no npm: specifier, such as npm:yaml@2", "pattern")
        packages.append(found["package"])
    for quoted in _QUOTED.findall(source):
        found = _SPECIFIER.fullmatch(quoted) if len(quoted) <= _LONGEST else None
        if found is not None:
            packages.append(found["package"])
    if not packages:
        return None
    return _bounded(Dependencies(_each_once(packages), tuple(sorted(imports.items()))))


def _header(source: str) -> dict[str, Any]:
    """What the header says; empty where there is none. Raises ValidationFailed."""
    beginnings = len(_HEADER_BEGINS.findall(source))
    if not beginnings:
        return {}
    if beginnings > 1:  # nor looked for further: from each of them it may be far to an end
        raise invalid(_SOURCE, "there is more than one header `# /// script`", "pattern")
    found = _HEADER.search(source)
    if found is None:
        raise invalid(_SOURCE, "the header `# /// script` has no end; close it with a comment of /// alone", "pattern")
    text = "\n".join(line.removeprefix("#").removeprefix(" ") for line in found["lines"].splitlines())
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise invalid(_SOURCE, f"the header `# /// script` is not TOML: {error}", "pattern") from None


def _requirement(text: Any, path: str) -> str:
    if not isinstance(text, str) or len(text) > _LONGEST or not _REQUIREMENT.fullmatch(text.strip()):
        message = f"{text!r} is no package with its versions, such as requests>=2; addresses and options are not taken"
        raise invalid(path, message, "pattern")
    return text.strip()


def _each_once(packages: list[str]) -> tuple[str, ...]:
    return tuple(sorted(set(packages)))


def _bounded(found: Dependencies) -> Dependencies:
    if len(found.packages) > _MOST:
        raise invalid("/implementation", f"there are {len(found.packages)} dependencies; {_MOST} at most", "maxItems")
    return found

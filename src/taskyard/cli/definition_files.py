"""Files of task definitions: YAML or JSON, one or many, `@file` sources beside them; or source code itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from taskyard.cli.access import Json
from taskyard.cli.documents import read_documents
from taskyard.cli.fields import read_file
from taskyard.cli.script_files import is_script, script_definition
from taskyard.domain.json import check
from taskyard.engine.define import parse_definition
from taskyard.errors import TaskyardError, ValidationFailed


class Finding(NamedTuple):
    """What is wrong, and where: the file, the definition's key or number, and a JSON Pointer into it."""

    file: str
    definition: str
    path: str
    message: str


class Checked(NamedTuple):
    """The definitions that are right, as JSON, and what is wrong with the others."""

    definitions: list[Json]
    findings: list[Finding]


def read_definitions(files: Sequence[str]) -> list[Json]:
    """The definitions in these files. Raises ValidationFailed with what is wrong in any of them."""
    checked = check_files(files)
    if not checked.findings:
        return checked.definitions
    first = checked.findings[0]
    more = len(checked.findings) - 1
    others = f" (and {more} more; see `taskyard definitions validate`)" if more else ""
    place = f"{first.definition}{first.path} ".lstrip()
    raise ValidationFailed(f"{first.file}: {place}{first.message.removeprefix(f'{first.file} ')}{others}")


def check_files(files: Sequence[str]) -> Checked:
    """What is right and what is wrong in these files."""
    definitions: list[Json] = []
    findings: list[Finding] = []
    for file in files:
        try:
            for name, value in _named(_documents(file)):
                try:
                    value = _with_source(value, Path(file).parent)
                    check(value)
                    parse_definition(value)
                    definitions.append(value)
                except TaskyardError as error:
                    findings += _findings(file, name, error)
        except TaskyardError as error:
            findings += _findings(file, "", error)
    return Checked(definitions, findings)


def _documents(file: str) -> list[Any]:
    """The definitions in a file of definitions, or the one that a file of source code is."""
    return [script_definition(file, read_file(file))] if is_script(file) else read_documents(file, "definition")


def _named(values: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Each value with what it is called in messages: its key, or its number."""
    for number, value in enumerate(values, 1):
        key = value.get("key") if isinstance(value, dict) else None
        yield (key if isinstance(key, str) else f"#{number}"), value


def _with_source(value: Any, folder: Path) -> Any:
    """The definition with the content of the file that its source names as `@file`, relative to its own file."""
    implementation = value.get("implementation") if isinstance(value, dict) else None
    if not isinstance(implementation, dict):
        return value
    source = implementation.get("source")
    if not isinstance(source, str) or not source.startswith("@"):
        return value
    content = read_file(str(folder / source[1:]))
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise ValidationFailed(f"names {source}, which is not text in UTF-8") from None
    return {**value, "implementation": {**implementation, "source": text}}


def _findings(file: str, name: str, error: TaskyardError) -> list[Finding]:
    details = error.details if isinstance(error.details, list) else []
    if not details:
        return [Finding(file, name, "", error.message)]
    return [Finding(file, name, str(one.get("path", "")), str(one.get("message", ""))) for one in details]

"""Files of source code as definitions: `file.py`, `file.js`, `file.ts`, `file.sh`, with a header of comments.

The header says what a definition says, in YAML, between two comment lines (as PEP 723 has them for Python):
`# /// taskyard` and `# ///`, or `// /// taskyard` and `// ///`. What it leaves out follows from the file.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from taskyard.cli.documents import load_yaml
from taskyard.errors import ValidationFailed

KINDS = {".py": "python", ".js": "javascript", ".mjs": "javascript", ".ts": "typescript", ".sh": "shell"}
_HEADER = re.compile(
    r"^(?P<mark>#|//) /// taskyard[ \t]*\n(?P<lines>(?:^(?P=mark)(?: [^\n]*)?\n)*?)^(?P=mark) ///[ \t]*$", re.MULTILINE
)
_BEGINNING = re.compile(r"^(?:#|//) /// taskyard", re.MULTILINE)
_NOT_IN_KEYS = re.compile(r"[^A-Za-z0-9._-]+")


def is_script(file: str) -> bool:
    """Whether the name is one of a file of source code."""
    return Path(file).suffix in KINDS


def script_definition(file: str, content: bytes) -> dict[str, Any]:
    """The definition that a file of source code makes, as editors of any system write it. Raises ValidationFailed."""
    try:
        source = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise ValidationFailed("is not text in UTF-8") from None
    header = _header(source)
    given = header.pop("implementation", {})
    if not isinstance(given, dict):
        raise ValidationFailed("the header's implementation is no mapping")
    path = Path(file)
    implementation = {"kind": KINDS[path.suffix], **given, "source": source}
    return {
        "key": _NOT_IN_KEYS.sub("-", path.stem).strip("-._") or "script",
        **header,
        "implementation": implementation,
    }


def _header(source: str) -> dict[str, Any]:
    found = list(_HEADER.finditer(source))
    if len(found) != len(_BEGINNING.findall(source)):
        raise ValidationFailed("the header has no end; close it with a comment of /// alone")
    if not found:
        return {}
    if len(found) > 1:
        raise ValidationFailed("has more than one header")
    mark = found[0]["mark"]
    lines = [line.removeprefix(mark).removeprefix(" ") for line in found[0]["lines"].splitlines()]
    try:
        value = load_yaml("\n".join(lines))
    except yaml.YAMLError as error:
        raise ValidationFailed(f"the header is not YAML: {' '.join(str(error).split())}") from None
    if value is not None and not isinstance(value, dict):
        raise ValidationFailed("the header is no mapping of names to values")
    return value or {}

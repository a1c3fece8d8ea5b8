"""How two versions of a definition differ, as a unified diff of what they say."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import yaml

from taskyard.cli.access import Json
from taskyard.domain.json import dumps, loads
from taskyard.errors import NotFound

_NOT_CONTENT = frozenset({"version", "number", "createdAt", "retired"})
_EMPTY: tuple[Any, ...] = (None, "", [], (), {})


def diff_versions(versions: Sequence[Json], old: str | None, new: str | None) -> list[str]:
    """The lines of the diff; `versions` newest first. `old` and `new` are beginnings of a version's name; left out,
    they are the last but one and the last. Raises NotFound.
    """
    newer = _find(versions, new) if new else versions[0]
    before = [one for one in versions if one["number"] < newer["number"]]
    older = _find(versions, old) if old else next(iter(before), None)
    if older is None:
        raise NotFound(f"{newer['version']} is the first version; there is none to compare it with")
    return list(difflib.unified_diff(_lines(older), _lines(newer), older["version"], newer["version"], lineterm=""))


def _find(versions: Sequence[Json], name: str) -> Json:
    for one in versions:
        if one["version"].startswith(name):
            return one
    raise NotFound(f"there is no version {name!r}; `taskyard definitions show KEY --versions` lists them")


def _lines(version: Json) -> list[str]:
    """What it says, a line for each line of its source."""
    content = {name: value for name, value in version.items() if name not in _NOT_CONTENT and value not in _EMPTY}
    plain = loads(dumps(content))
    return yaml.dump(plain, Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=120).splitlines()


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they are."""


def _text(dumper: yaml.SafeDumper, value: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)

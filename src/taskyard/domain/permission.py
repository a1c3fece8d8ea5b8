"""Permissions of system functions: what a grant such as `files:read:/srv/in` covers.

| area | resource | grants may say |
| --- | --- | --- |
| `http` | a host | `http:api.example.com`, `http:*.example.com`, `http:*` |
| `mail` | a recipient | `mail:ann@example.com`, `mail:*@example.com`, `mail:*` |
| `files:read`, `files:write` | a path | `files:read:/srv/in`, which covers all below it |
| `command` | a program | `command:/usr/bin/convert` |
| `sql:read`, `sql:write` | a database | `sql:read:reports` |
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final, NamedTuple

AREAS: Final = ("http", "mail", "files:read", "files:write", "command", "sql:read", "sql:write")
_FORM = re.compile(rf"({'|'.join(AREAS)}):([^\s,]+)")
_PATHS = frozenset({"files:read", "files:write", "command"})


class Permission(NamedTuple):
    """What is needed, or what a grant gives; `resource` of a grant may be a pattern."""

    area: str
    resource: str

    def __str__(self) -> str:
        return f"{self.area}:{self.resource}"

    def covers(self, need: Permission) -> bool:
        """Whether this grant gives what is needed."""
        if self.area != need.area:
            return False
        match self.area:
            case "http":
                return _covers_host(self.resource.lower(), need.resource.lower())
            case "mail":
                return _covers_address(self.resource.lower(), need.resource.lower())
            case "files:read" | "files:write":
                return PurePosixPath(need.resource).is_relative_to(self.resource)
        return self.resource == need.resource


def parse_permission(text: str) -> Permission:
    """Read a grant. Raises ValueError for what is none."""
    form = _FORM.fullmatch(text)
    if form is None:
        raise ValueError(f"must be permissions such as http:api.example.com or files:read:/srv/in; not {text!r}")
    area, resource = form.groups()
    if area in _PATHS and normal_path(resource) != resource:
        raise ValueError(f"must name a whole path without . and .. in {text!r}")
    return Permission(area, resource)


def normal_path(path: str) -> str | None:
    """The path itself if it is absolute, without `.`, `..`, doubled slashes or control characters; else None."""
    is_plain = path.startswith("/") and "\0" not in path and path.isprintable()
    if not is_plain or str(PurePosixPath(path)) != path or ".." in PurePosixPath(path).parts or path.startswith("//"):
        return None
    return path


def missing(need: Permission, **grants: Iterable[Permission] | None) -> str | None:
    """Who among those who grant (None: does not restrict) does not grant what is needed; None when all do."""
    for who, granted in grants.items():
        if granted is not None and not any(grant.covers(need) for grant in granted):
            return who
    return None


def _covers_host(pattern: str, host: str) -> bool:
    return pattern in ("*", host) or (pattern.startswith("*.") and host.endswith(pattern[1:]))


def _covers_address(pattern: str, address: str) -> bool:
    return pattern in ("*", address) or (pattern.startswith("*@") and address.rpartition("@")[2] == pattern[2:])

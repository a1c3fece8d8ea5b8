"""Where a page of the store's own lists begins: as the command line says it."""

from __future__ import annotations

import re

from taskyard.contracts.inbox import InboxRow
from taskyard.errors import ValidationFailed

_ROW = re.compile(r"(-?[0-9]{1,19}):([0-9]{1,19})", re.ASCII)


def position(cursor: str | None) -> int | None:
    """The number that a cursor is. Raises ValidationFailed."""
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 20):
        raise _no_cursor()
    return int(cursor)


def row(cursor: str | None) -> InboxRow | None:
    """The row of an inbox that a cursor is. Raises ValidationFailed."""
    if cursor is None:
        return None
    found = _ROW.fullmatch(cursor)
    if found is None:
        raise _no_cursor()
    return InboxRow(int(found[1]), int(found[2]))


def of_row(row: InboxRow | None) -> str | None:
    """The cursor of a row."""
    return None if row is None else f"{row.key}:{row.task_id}"


def _no_cursor() -> ValidationFailed:
    return ValidationFailed("this is no cursor of this list; begin without one")

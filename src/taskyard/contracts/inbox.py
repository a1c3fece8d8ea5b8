"""Which of people's tasks are asked for, and how many of them one person may have. Times in microseconds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from taskyard.errors import Full

_LONGEST_PLACE: Final = 10
_MOST_WAYS: Final = 64
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")


class Room(NamedTuple):
    """That a person may have only so many open tasks."""

    person: str
    limit: int

    def check(self, count: int) -> None:
        """Raises Full when there are as many already."""
        if count >= self.limit:
            message = f"{self.person} has {count} open tasks and may have {self.limit}; end or hand over one first"
            raise Full(message, details={"open": count, "limit": self.limit})


class InboxFilter(NamedTuple):
    """Which tasks of a person: those that are theirs (`mine`), claimed by them (`claimed`), of their groups (`groups`),
    of these the ones that nobody has claimed (`unclaimed`), or what they can do now: `mine` and `unclaimed` (`open`).

    Where a task has candidates its group's members see it only if they are of them.

    Sorted by due date (those without one last), by priority (highest first) or by age (oldest first). `text` is part
    of the input, in any case, or the kind is among `text_kind_ids`. `fields`: paths in the input and what is found
    there, as text (see `meant`); where an array is, any of its items, or with a number the one at that place. Inputs of
    kinds with fields that are never shown are not looked into: what is found could be guessed.
    """

    person: str
    groups: tuple[str, ...] = ()
    view: str = "open"
    sort: str = "due"
    due_before: int | None = None
    kind_ids: tuple[int, ...] | None = None
    workflow_id: str | None = None
    text: str | None = None
    text_kind_ids: tuple[int, ...] = ()
    due_after: int | None = None
    urgencies: tuple[int, ...] | None = None
    group: str | None = None
    fields: tuple[tuple[tuple[str, ...], str], ...] = ()

    @property
    def folded(self) -> str:
        """The text without regard to case, as it stands in JSON."""
        return msgspec.json.encode((self.text or "").lower()).decode()[1:-1]


def ways(path: Sequence[str]) -> list[list[str | int]]:
    """The ways that a path may mean, at most 64: a step is a key, and one of digits also a place in an array."""
    found: list[list[str | int]] = [[]]
    for step in path:
        is_place = step.isascii() and step.isdigit() and len(step) < _LONGEST_PLACE
        meant: list[str | int] = [step, int(step)] if is_place else [step]
        found = [[*way, each] for each in meant for way in found][:_MOST_WAYS]
    return found


def meant(text: str) -> list[str]:
    """The JSON values that a text may mean: itself, and the number or the truth value that it writes.

    Numbers are the same whose values are, however they are written; no text means null, an object or an array.
    """
    plain = [text] if text in ("true", "false") or _NUMBER.fullmatch(text) else []
    return [msgspec.json.encode(text).decode(), *plain]


def names_of(person: str, groups: Sequence[str]) -> list[str]:
    """What a person is called among a task's candidates."""
    return [f"USER {person}", *(f"GROUP {group}" for group in groups)]


class InboxRow(NamedTuple):
    """A task's place in an inbox: by `key`, then by id."""

    key: int
    task_id: int

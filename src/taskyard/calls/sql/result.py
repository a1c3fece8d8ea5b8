"""What a statement gives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from taskyard.errors import ValidationFailed

Row = Mapping[str, Any]
Fetch = Callable[[], Awaitable[Sequence[Row]]]
"""Gives the next rows; none when there are no more."""

BATCH: Final = 200
"""How many rows are fetched at once."""


class Budget:
    """How many bytes of rows a statement may give; `each`: not in all, but each time rows are fetched."""

    def __init__(self, most: int = 16 << 20, *, each: bool = False) -> None:
        self._most, self._each = most, each
        self._left = most

    def refill(self) -> None:
        """More rows are about to be fetched."""
        if self._each:
            self._left = self._most

    def take(self, count: int) -> bool:
        """Whether so many bytes more may be."""
        self._left -= count
        return self._left >= 0

    def exceeded(self) -> ValidationFailed:
        """What is told of a statement that gives more."""
        return ValidationFailed(
            f"the statement gives more than {self._most >> 20} MiB{' at once' if self._each else ''};"
            " ask for fewer rows, or smaller ones"
        )


class Result:
    """`gives_rows`: whether the statement gives any. `changed`: how many rows it has changed; of a statement that gives
    rows, how many of them have been fetched.
    """

    def __init__(self, fetch: Fetch | None, changed: int = 0) -> None:
        self.gives_rows = fetch is not None
        self.changed = changed
        self._fetch = fetch

    async def batch(self) -> Sequence[Row]:
        """The next rows; none when there are no more."""
        if self._fetch is None:
            return ()
        rows = await self._fetch()
        self.changed += len(rows)
        return rows


Execute = Callable[[str, Mapping[str, Any]], Awaitable[Result]]
"""`await execute(statement, parameters)`: parameters stand as `:name` in the statement, which is one alone.

Raises ValidationFailed for what cannot be executed, and CallFailed: `refused`, and then not to be repeated, where the
database says no, `connect` where it could not do it now.
"""

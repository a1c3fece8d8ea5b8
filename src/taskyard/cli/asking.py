"""Asking the engine, here or over HTTP, and telling the answer: what most commands do.

Imports wait until they are needed, for a command is to begin at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")
Answer = dict[str, Any]


def ask(app: str | None, verb: Callable[[Any], Awaitable[T]]) -> T:
    """What the verb answers; it is given the access to the engine."""
    from taskyard.cli.access import open_access
    from taskyard.cli.running import execute

    async def once() -> T:
        async with open_access(app) as access:
            return await verb(access)

    return execute(once())


def ask_and_tell(
    app: str | None, as_json: bool, verb: Callable[[Any], Awaitable[Answer]], tell: Callable[[Answer], None]
) -> None:
    """Ask for something and print the answer, as JSON or as it is told to people."""
    from taskyard.cli.output import print_json

    answer = ask(app, verb)
    (print_json if as_json else tell)(answer)


def tell_page(tell: Callable[[list[Answer]], None]) -> Callable[[Answer], None]:
    """Tells the items of a page, and where the next begins."""
    from taskyard.cli.output import hint

    def told(page: Answer) -> None:
        tell(page["items"])
        if page["nextCursor"]:
            hint(f"there are more: --cursor {page['nextCursor']}")

    return told

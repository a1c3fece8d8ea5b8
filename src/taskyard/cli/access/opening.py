"""Which way commands reach Taskyard."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from taskyard.cli.access.contract import Access
from taskyard.settings import Settings, load


@contextlib.asynccontextmanager
async def open_access(target: str | None = None, *, work: bool = False) -> AsyncIterator[Access]:
    """Access for one command: to the yard `target` names, else to TASKYARD_URL, else to TASKYARD_DATABASE_URL.

    With `work`, the tasks of a `target` are executed here meanwhile; other access leaves that to workers.
    """
    settings = load()
    quiet(settings)
    if target is None and settings["TASKYARD_URL"]:
        async with _remote(settings) as access:
            yield access
        return
    from taskyard.cli.access.local import LocalAccess
    from taskyard.loading import load_yard

    app = load_yard(target).app
    async with app.working() if target is not None and work else _opened(app):
        yield LocalAccess(app)

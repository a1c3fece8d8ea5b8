"""Which way commands reach Taskyard."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from taskyard.cli.access.contract import Access
from taskyard.cli.quiet import configure_quiet_logs
from taskyard.settings import load


@contextlib.asynccontextmanager
async def open_access(target: str | None = None, *, work: bool = False) -> AsyncIterator[Access]:
    """Access for one command: to the yard `target` names, else to TASKYARD_URL, else to TASKYARD_DATABASE_URL.

    With `work`, the tasks of a `target` are executed here meanwhile; other access leaves that to workers.
    """
    settings = load()
    configure_quiet_logs(settings)
    if target is None and settings["TASKYARD_URL"]:
        from taskyard.cli.access.remote import open_remote

        async with open_remote(settings["TASKYARD_URL"], settings["TASKYARD_TOKEN"]) as remote:
            yield remote
    else:
        from taskyard.cli.access.local import open_local

        async with open_local(target, work=work) as local:
            yield local

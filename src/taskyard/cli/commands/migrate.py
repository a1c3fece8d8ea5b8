"""`taskyard migrate`."""

from __future__ import annotations

from taskyard.cli.options import AsJson


def migrate(as_json: AsJson = False) -> None:
    """Bring the database up to date. Safe to repeat, and from many processes at once."""
    from taskyard.cli.output import print_json, print_line
    from taskyard.cli.running import execute
    from taskyard.contracts.clock import SystemClock
    from taskyard.settings import load
    from taskyard.storing import make_store

    store = make_store(load()["TASKYARD_DATABASE_URL"], SystemClock())
    applied = execute(store.migrate())
    if as_json:
        print_json({"applied": applied})
    else:
        print_line(f"applied {', '.join(applied)}" if applied else "nothing to do: the database is up to date")

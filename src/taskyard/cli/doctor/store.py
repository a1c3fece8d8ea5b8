"""The store: its migrations, and who works on it."""

from __future__ import annotations

from pathlib import Path

from taskyard.cli.doctor.finding import Finding, ok, warning, wrong
from taskyard.contracts.clock import SystemClock
from taskyard.errors import ConfigurationError, TaskyardError
from taskyard.storing import make_store


async def look(url: str) -> list[Finding]:
    """Whether the schema is current, and whether any worker lives; nothing of a file that is not there yet."""
    try:
        store = make_store(url, SystemClock())
    except ConfigurationError as error:
        return [wrong("database", error.message, "mend TASKYARD_DATABASE_URL")]
    if _is_missing_file(url):
        return []
    try:
        await store.open()
        workers = await store.workers()
    except ConfigurationError as error:
        return [wrong("migrations", error.message, "run `taskyard migrate`")]
    except TaskyardError as error:
        return [wrong("database", error.message, "see that it runs and that this user may use it")]
    finally:
        await store.close()
    findings = [ok("migrations", "the database is up to date")]
    if workers:
        findings.append(ok("workers", f"{len(workers)} connected, {sum(w.info.slots for w in workers)} slots"))
    else:
        findings.append(warning("workers", "none is connected, so tasks wait", "start one with `taskyard worker`"))
    return findings


def _is_missing_file(url: str) -> bool:
    return url.startswith("sqlite:") and not Path(url.removeprefix("sqlite:///")).exists()

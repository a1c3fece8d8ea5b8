"""The PostgreSQL server: whether it keeps what it says it has kept."""

from __future__ import annotations

import time
from typing import Any

import asyncpg

from taskyard.cli.doctor.finding import Finding, ok, warning, wrong
from taskyard.settings.masking import mask_credentials

_OLDEST = 15
_CONNECT_SECONDS = 5.0
_SKEW = 2.0
_QUERY = """
SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int / 10000 AS major,
       current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
       current_setting('synchronous_commit') AS synchronous_commit, pg_is_in_recovery() AS standby,
       extract(epoch FROM clock_timestamp())::float8 AS now
"""


async def look(url: str) -> list[Finding]:
    """How well the database server is, if it can be reached."""
    try:
        connection = await asyncpg.connect(url, timeout=_CONNECT_SECONDS)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = str(error) or type(error).__name__
        return [
            wrong(
                "database",
                f"{mask_credentials(url)} cannot be reached: {reason}",
                "start it, or mend TASKYARD_DATABASE_URL",
            )
        ]
    try:
        asked = time.time()
        row = await connection.fetchrow(_QUERY)
        answered = time.time()
    finally:
        await connection.close()
    return [*_durability(row), _clock(row["now"], asked, answered)]


def _durability(row: Any) -> list[Finding]:
    findings = []
    if row["major"] < _OLDEST:
        findings.append(wrong("postgresql", f"version {row['version']} is too old", f"upgrade to {_OLDEST} or later"))
    else:
        findings.append(ok("postgresql", f"version {row['version']}"))
    if row["standby"]:
        findings.append(wrong("postgresql", "this is a standby, which takes no writes", "name the primary instead"))
    for name in ("fsync", "full_page_writes"):
        if row[name] == "on":
            findings.append(ok(name, "on"))
        else:
            mend = f"set {name} = on in postgresql.conf and reload"
            findings.append(wrong(name, "off: a power failure may lose or break what was committed", mend))
    if row["synchronous_commit"] == "off":
        message = "off: Taskyard turns it on for itself, but tasks enqueued in your own transactions may be lost"
        findings.append(warning("synchronous_commit", message, "set synchronous_commit = on for your transactions"))
    else:
        findings.append(ok("synchronous_commit", row["synchronous_commit"]))
    return findings


def _clock(now: float, asked: float, answered: float) -> Finding:
    """How far this clock is from the database's, which is the one that counts."""
    return clock_finding(max(now - answered, asked - now, 0.0), "the database's")


def clock_finding(skew: float, whose: str) -> Finding:
    """What a difference between two clocks means; `skew` in seconds."""
    if skew > _SKEW:
        mend = "let NTP keep both clocks; tokens and times at the doors depend on them"
        return warning("clock", f"it is {skew:.1f} s from {whose}", mend)
    return ok("clock", f"within {_SKEW:.0f} s of {whose}")

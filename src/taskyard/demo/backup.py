"""Back up a SQLite database while others use it, and prove that the copy is whole."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pydantic import BaseModel

from taskyard.demo.workspace import OnProgress


class TableCheck(BaseModel):
    """One table, found equal in the database and its copy."""

    name: str
    rows: int
    sha256: str


class Backup(BaseModel):
    """A verified copy of a database; `size` is in bytes."""

    summary: str
    file: str
    size: int
    sha256: str
    tables: list[TableCheck]


class BackupDiffersError(Exception):
    """The copy is not what the database was; nothing was kept."""


def back_up(
    source: Path, target: Path, on_progress: OnProgress, *, pages_per_step: int = 64, pause: float = 0.0
) -> Backup:
    """Copy the database `source` to the file `target` and verify the copy.

    `on_progress` counts pages; `pause` is in seconds, after each step. Raises FileNotFoundError without a
    source, sqlite3.Error when it cannot be read, and BackupDiffersError when the copy is not equal.
    """
    if not source.is_file():
        raise FileNotFoundError(f"there is no database {source}")
    target.parent.mkdir(parents=True, exist_ok=True)

    def step(_: int, remaining: int, total: int) -> None:
        on_progress(total - remaining, total)
        time.sleep(pause)

    with _snapshot(source) as original, _finished_or_removed(target) as part:
        with closing(sqlite3.connect(part, isolation_level=None)) as copy:
            original.backup(copy, pages=pages_per_step, progress=step)
            # One file, without the side files of WAL mode, is easier to carry away.
            copy.execute("PRAGMA journal_mode = DELETE")
            tables = _verify(original, copy)
        with part.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size = part.stat().st_size
    rows = sum(table.rows for table in tables)
    return Backup(
        summary=f"{len(tables)} tables, {rows:,} rows, {size / 1e6:.1f} MB: copy verified",
        file=str(target),
        size=size,
        sha256=sha256,
        tables=tables,
    )


def prune(folder: Path, pattern: str, keep: int) -> list[Path]:
    """Delete all but the `keep` files of `folder` whose names match `pattern` and sort last; return the deleted."""
    old = sorted(folder.glob(pattern))[:-keep]
    for path in old:
        path.unlink()
    return old


@contextmanager
def _snapshot(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database to read it as it is now, whatever others write meanwhile."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN")
        database.execute("SELECT count(*) FROM sqlite_schema")
        yield database
        database.execute("ROLLBACK")


@contextmanager
def _finished_or_removed(target: Path) -> Iterator[Path]:
    """Give a path to write to that becomes `target` in the end, and vanishes when the writing fails."""
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _verify(original: sqlite3.Connection, copy: sqlite3.Connection) -> list[TableCheck]:
    (verdict,) = copy.execute("PRAGMA integrity_check").fetchone()
    if verdict != "ok":
        raise BackupDiffersError(f"the copy is damaged: {verdict}")
    expected, found = _tables(original), _tables(copy)
    if found != expected:
        differing = {table.name for table in expected} ^ {table.name for table in found} or {
            ours.name for ours, theirs in zip(expected, found, strict=True) if ours != theirs
        }
        raise BackupDiffersError(f"the copy differs in {', '.join(sorted(differing))}")
    return found


def _tables(database: sqlite3.Connection) -> list[TableCheck]:
    names = database.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name"
    )
    return [_check(database, name) for (name,) in names.fetchall()]


def _check(database: sqlite3.Connection, table: str) -> TableCheck:
    quoted = table.replace('"', '""')
    rows = database.execute(f'SELECT * FROM "{quoted}"')  # noqa: S608 - an identifier cannot be a parameter
    count, digest = 0, hashlib.sha256()
    for count, row in enumerate(rows, 1):  # noqa: B007 - the last count is the number of rows
        digest.update(repr(row).encode())
    return TableCheck(name=table, rows=count, sha256=digest.hexdigest())

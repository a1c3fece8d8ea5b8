"""Migrations of databases with what an older version has left in them."""

import shutil
import sqlite3
from importlib.resources import as_file, files
from pathlib import Path

import asyncpg
import pytest

from taskyard.store.postgres import PostgresStore
from taskyard.store.sqlite import SqliteStore

_KINDS = [
    (1, "pay", 1, b'{"key":"pay","implementation":{"kind":"integration","connectionId":"old"}}'),
    (2, "pay", 2, b'{"key":"pay","title":"\\u0000","implementation":{"kind":"integration","connectionId":"billing"}}'),
    (3, "sum", 1, rb'{"key":"sum","implementation":{"kind":"python","source":"\u0000 \\u0000"}}'),
]
_CURRENT = [("pay", 2), ("sum", 3)]
_LANES = [
    (1, 1, 1, "pay", 2, 0, ""),
    (2, 5, 1, "pay", 2, 1, "moon"),
    (3, 1, 1, "sum", 2, 0, ""),
    (4, 1, 1, "gone", 2, 0, ""),
]
_OVER = [(1, "billing"), (2, "billing"), (3, ""), (4, "")]


def _before(store: str, migration: str, folder: Path) -> Path:
    """A folder with the migrations of a store that are older than this one."""
    with as_file(files(f"taskyard.store.{store}") / "migrations") as every:
        for each in every.glob("*.sql"):
            if each.name < migration:
                shutil.copy(each, folder)
    return folder


async def test_lanes_in_a_file_are_told_the_connections_of_current_versions(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store, path = SqliteStore(str(tmp_path / "tasks.db")), tmp_path / "older"
    path.mkdir()
    with monkeypatch.context() as older:
        older.setattr("taskyard.store.sqlite.store._MIGRATIONS", _before("sqlite", "0703", path))
        await store.migrate()
    with sqlite3.connect(store.path) as connection:
        connection.executemany("INSERT INTO kind (id, key, number, hash, spec, created_at) "
                               "VALUES (?1, ?2, ?3, ?3, ?4, 0)", _KINDS)  # fmt: skip
        connection.executemany("INSERT INTO definition (key, kind_id) VALUES (?, ?)", _CURRENT)
        connection.executemany("INSERT INTO lane VALUES (?, ?, ?, ?, ?, ?, ?)", _LANES)
    assert "0703_lane_connection.sql" in await store.migrate()
    assert connection.execute("SELECT id, connection FROM lane ORDER BY id").fetchall() == _OVER
    connection.close()


async def test_lanes_in_postgresql_are_told_the_connections_of_current_versions(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, postgres_dsn: str
) -> None:
    store = PostgresStore(postgres_dsn)
    with monkeypatch.context() as older:
        older.setattr("taskyard.store.postgres.lifetime._MIGRATIONS", _before("postgres", "0703", tmp_path))
        await store.migrate()
    connection = await asyncpg.connect(postgres_dsn)
    try:
        await connection.executemany(
            "INSERT INTO taskyard.kind (id, key, number, hash, task_type, tags, spec, created_at) "
            "OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, '', '{}', $4, 0)",
            _KINDS,
        )
        await connection.executemany("INSERT INTO taskyard.definition (key, kind_id) VALUES ($1, $2)", _CURRENT)
        await connection.executemany(
            "INSERT INTO taskyard.lane (id, queue, home, definition, priority, solo, target) "
            "OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6, $7)",
            _LANES,
        )
        assert "0703_lane_connection.sql" in await store.migrate()
        lanes = await connection.fetch("SELECT id, connection FROM taskyard.lane ORDER BY id")
    finally:
        await connection.close()
    assert [tuple(lane) for lane in lanes] == _OVER

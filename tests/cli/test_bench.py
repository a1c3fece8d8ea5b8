"""`taskyard bench`: figures of one's own database, which it leaves as it was."""

from __future__ import annotations

import psycopg
from tests.cli.command import Command
from tests.servers.postgres import PostgresServer

NAMES = ["enqueue_1", "enqueue_50", "enqueue_bulk", "drain", "latency_p50", "latency_p99"]
QUICKLY = ("bench", "--tasks", "1000", "--seconds", "1", "--json")


def test_sqlite_is_measured_beside_the_database_and_leaves_nothing(program: Command) -> None:
    program.settings["TASKYARD_DATABASE_URL"] = f"sqlite:///{program.folder / 'mine.db'}"
    ended = program.done(*QUICKLY)
    assert [item["name"] for item in ended.json["items"]] == NAMES
    assert all(item["value"] > 0 for item in ended.json["items"])
    assert ended.json["surroundings"]["database"].startswith("SQLite 3")
    assert [path.name for path in program.folder.iterdir() if path.suffix == ".db" or path.is_dir()] == []


def test_postgresql_is_measured_in_a_database_that_is_dropped(
    program: Command, postgres_server: PostgresServer
) -> None:
    program.settings["TASKYARD_DATABASE_URL"] = postgres_server.dsn()
    ended = program.done(*QUICKLY, "--processes", "1")
    assert [item["name"] for item in ended.json["items"]] == NAMES
    assert ended.json["surroundings"]["database"].startswith("PostgreSQL")
    with psycopg.connect(postgres_server.dsn()) as connection:
        left = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'taskyard_bench%'").fetchall()
    assert left == []


def test_a_database_that_cannot_be_reached_is_told_in_one_line(taskyard: Command) -> None:
    taskyard.settings["TASKYARD_DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/none"
    ended = taskyard(*QUICKLY)
    assert ended.code == 2
    assert "check TASKYARD_DATABASE_URL" in ended.err

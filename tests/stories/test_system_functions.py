"""System functions, asked for like any other task, on each store."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from taskyard import TaskFailed, Taskyard, TaskyardError
from taskyard.domain.connection import Connection
from taskyard.domain.definition import Definition
from taskyard.domain.lifecycle import State
from taskyard.domain.system import SYSTEM_FUNCTIONS
from taskyard.engine.connections import put_connection, remove_connection
from taskyard.engine.define import define, get_definition, parse_definition
from taskyard.engine.query import get_task, know_one
from taskyard.settings import Settings
from taskyard.testing import World, yard_for_test

SQL = tuple(f"sql:{what}:{name}" for what in ("read", "write") for name in ("shop", "shop-writer", "others", "none"))


def definition(name: str, *permissions: str, **more: Any) -> Definition:
    implementation = {"kind": "system", "name": name, "permissions": list(permissions)}
    return parse_definition({"key": name, "implementation": implementation, **more})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("hello")
    (tmp_path / "out").mkdir()
    return tmp_path


@pytest.fixture
def settings(settings: Settings, folder: Path) -> Settings:
    grants = (f"files:read:{folder}/in", f"files:write:{folder}/out", f"files:read:{folder}/out", *SQL)
    return settings.with_values(TASKYARD_SYSTEM_PERMISSIONS=grants)


async def test_schemas_title_and_form_come_with_the_function(yard: Taskyard) -> None:
    async with yard:
        await define(yard.engine, [definition(name) for name in SYSTEM_FUNCTIONS])
        stored = (await get_definition(yard.engine, "files.read")).definition
    assert stored.title == "Read a file"
    assert stored.input_schema == SYSTEM_FUNCTIONS["files.read"].input_schema
    assert stored.input_schema["required"] == ["path"]
    assert stored.input_schema["additionalProperties"] is False


async def test_a_function_does_what_it_is_granted_and_its_input_is_checked(yard: Taskyard, folder: Path) -> None:
    async with yard.worker():
        await define(yard.engine, [definition("files.copy", f"files:read:{folder}/in", f"files:write:{folder}")])
        asked = {"source": f"{folder}/in/a.txt", "target": f"{folder}/out/b.txt"}
        run = await yard.start("files.copy", asked)
        assert (await run.result())["size"] == 5
        assert (folder / "out" / "b.txt").read_text() == "hello"
        with pytest.raises(TaskyardError) as refused:
            await yard.start("files.copy", {**asked, "mode": "x"})
        assert refused.value.details[0]["path"] == "/input/mode"


@pytest.mark.parametrize(
    ("granted", "task", "mend"),
    [
        ((), None, "implementation.permissions"),
        (("files:read:/", "files:write:/"), ("files:read:/",), "securityContext.permissions"),
        (("files:read:/", "files:write:/"), (), "securityContext.permissions"),
        (("files:read:/", "files:write:/"), None, "TASKYARD_SYSTEM_PERMISSIONS"),
    ],
)
async def test_least_privilege(
    yard: Taskyard, folder: Path, granted: tuple[str, ...], task: tuple[str, ...] | None, mend: str
) -> None:
    async with yard.worker():
        await define(yard.engine, [definition("files.copy", *granted)])
        config = None if task is None else {"securityContext": {"permissions": list(task)}}
        target = folder / ("in/stolen.txt" if task is None else "out/b.txt")
        asked = {"source": f"{folder}/in/a.txt", "target": str(target)}
        run = await yard.start("files.copy", asked, execution_config=config)
        with pytest.raises(TaskFailed) as failed:
            await run.result()
        assert failed.value.code == "FORBIDDEN"
        assert "the permission files:" in str(failed.value)
        assert mend in str(failed.value)
        assert (await get_task(yard.engine, int(run.id))).retry_count == 0
        assert not target.exists()


async def test_a_definition_with_an_unknown_function_or_permission_is_refused() -> None:
    for implementation, path in (
        ({"kind": "system", "name": "files.shred"}, "/implementation/name"),
        ({"kind": "system"}, "/implementation/name"),
        ({"kind": "system", "name": "files.read", "permissions": ["files:/etc"]}, "/implementation/permissions/0"),
        (
            {"kind": "system", "name": "files.read", "permissions": ["files:read:/a/../b"]},
            "/implementation/permissions/0",
        ),
        ({"kind": "system", "name": "files.read", "grants": []}, "/implementation/grants"),
    ):
        with pytest.raises(TaskyardError) as refused:
            parse_definition({"key": "x", "implementation": implementation})
        assert refused.value.details[0]["path"] == path


@pytest.fixture
async def world(yard: Taskyard) -> AsyncIterator[World]:
    async with yard_for_test(yard) as world:
        yield world


async def test_waiting_takes_no_worker_and_no_retry(world: World) -> None:
    yard = world.yard
    await define(yard.engine, [definition("wait.until", retryPolicy={"maxRetries": 0})])
    run = await yard.start("wait.until", {"seconds": 3600})
    await world.advance(3599)
    assert (await run.refresh()).status is State.RETRYING
    await world.advance(1)
    assert await run.result() == {"at": "2030-01-01T01:00:00.000Z"}
    moment = await yard.start("wait.until", {"at": "2030-01-01T03:00:00+01:00"})
    await world.advance(3600)
    assert await moment.result() == {"at": "2030-01-01T02:00:00.000Z"}
    assert (await know_one(yard.engine, int(moment.id))).facts.last is not None


@pytest.mark.parametrize(
    "asked", [{}, {"at": "2030-01-01T00:00:00"}, {"at": "soon"}, {"seconds": 1, "at": "2030-01-01T00:00:00Z"}]
)
async def test_a_moment_that_is_none_is_refused(world: World, asked: dict[str, Any]) -> None:
    await define(world.yard.engine, [definition("wait.until")])
    with pytest.raises((TaskFailed, TaskyardError)) as failed:
        await world.run("wait.until", asked)
    assert getattr(failed.value, "code", None) == "VALIDATION_ERROR"


@pytest.fixture
def file_of_items(settings: Settings) -> None:
    data = Path(settings["TASKYARD_DATA_DIR"])
    data.mkdir(exist_ok=True)
    with contextlib.closing(sqlite3.connect(data / "shop.db")) as database:
        database.execute("CREATE TABLE item (id integer PRIMARY KEY, name text NOT NULL)")


@pytest.fixture
async def shop(yard: Taskyard, file_of_items: None) -> AsyncIterator[Taskyard]:
    """A yard at work, with the connections `shop`, which may read a database, and `shop-writer`."""
    async with yard.worker():
        await connect(yard, "shop")
        await connect(yard, "shop-writer", readOnly=False)
        await define(
            yard.engine,
            [definition(f"sql.{what}", *SQL, retryPolicy={"maxRetries": 0}) for what in ("query", "execute")],
        )
        yield yard


async def connect(yard: Taskyard, name: str, allowed: list[str] | None = None, **more: Any) -> None:
    connection = Connection(
        connection_id=name, type="database", settings={"url": "sqlite:///shop.db", **more}, allowed_definitions=allowed
    )
    await put_connection(yard.engine, yard.app.box, connection, {})


async def test_sql_goes_over_a_connection(shop: Taskyard) -> None:
    item = {"id": 1, "name": "'; DROP TABLE item --"}
    add = {"database": "shop-writer", "statement": "INSERT INTO item VALUES (:id, :name)", "parameters": item}
    changed = await shop.start("sql.execute", {**add, "expectedUpdateCount": 1})
    assert await changed.result() == {"updateCount": 1}
    found = await shop.start("sql.query", {"database": "shop", "statement": "SELECT id, name FROM item"})
    assert await found.result() == {"rows": [item], "truncated": False}
    lines = [line.text for line in await shop.engine.store.lines(int(found.id), 0, 10)]
    assert any("connection=shop" in line and "status=ok" in line for line in lines)


async def test_a_connection_that_is_forgotten_is_let_go_of(shop: Taskyard) -> None:
    asked = {"database": "shop", "statement": "SELECT 1 AS one"}
    assert (await (await shop.start("sql.query", asked)).result())["rows"] == [{"one": 1}]
    links = shop.app.integrations.links
    assert "shop" in links._open
    await remove_connection(shop.engine, "shop")
    with pytest.raises(TaskFailed, match="there is no database 'shop'"):
        await (await shop.start("sql.query", asked)).result()
    assert "shop" not in links._open


async def test_rows_that_come_over_a_connection_are_cut_where_an_answer_ends(
    settings: Settings, file_of_items: None
) -> None:
    yard = Taskyard(settings=settings.with_values(TASKYARD_MAX_BODY=10_000))
    many = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 3000) SELECT x FROM n"
    async with yard.worker():
        await connect(yard, "shop")
        await define(yard.engine, [definition("sql.query", *SQL)])
        found = await yard.start("sql.query", {"database": "shop", "statement": many, "maxRows": 5000})
        told = await found.result()
    assert told["truncated"] is True
    assert [row["x"] for row in told["rows"]] == list(range(1, len(told["rows"]) + 1))
    assert len(told["rows"]) > 100


@pytest.mark.parametrize(
    ("name", "asked", "code", "told"),
    [
        ("sql.query", {"database": "none", "statement": "SELECT 1"}, "", "make it a connection of type database"),
        ("sql.query", {"database": "shop-writer", "statement": "SELECT 1"}, "", "sql.query needs one that may not"),
        ("sql.execute", {"database": "shop", "statement": "DELETE FROM item"}, "VALIDATION_ERROR", "readonly database"),
        ("sql.execute", {"database": "shop-writer", "statement": "DELETE FROM item RETURNING id"}, "VALIDATION_ERROR",
         "leave RETURNING out"),
        ("sql.query", {"database": "others", "statement": "SELECT 1"}, "FORBIDDEN", "allowedDefinitions leave it out"),
    ],
)  # fmt: skip
async def test_what_may_not_be_done_over_a_connection(
    shop: Taskyard, name: str, asked: dict[str, Any], code: str, told: str
) -> None:
    await connect(shop, "others", allowed=["reports.*"])
    with pytest.raises(TaskFailed, match=told) as failed:
        await (await shop.start(name, asked)).result()
    assert not code or failed.value.code == code

"""What the source documents promise of the types of integrations, each with a task and a server of its kind."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from taskyard import TaskFailed, Taskyard
from taskyard.domain.connection import Connection
from taskyard.engine.connections import put_connection
from taskyard.engine.query import get_task
from taskyard.executors.integration import aws
from tests.connecting import CANARY, offer
from tests.promises.yard import make_yard
from tests.servers import soap
from tests.servers.files import USER, ftp, sftp
from tests.servers.ministack import ministack
from tests.servers.program import running
from tests.servers.queues import valkey


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[Taskyard]:
    made = make_yard(tmp_path, TASKYARD_EGRESS_ALLOW=("127.0.0.1",))
    async with made.worker():
        yield made


async def connect(yard: Taskyard, type_: str, settings: dict[str, Any], secrets: dict[str, str]) -> None:
    """Keep the connection `billing`, of some type."""
    await put_connection(
        yard.engine, yard.app.box, Connection(connection_id="billing", type=type_, settings=settings), secrets
    )


async def ask(yard: Taskyard, operation: dict[str, Any], input: Any = None) -> Any:
    """The output of a task with that operation."""
    await offer(yard, operation)
    return await (await yard.start("there", {} if input is None else input)).result()


async def test_a_soap_task(yard: Taskyard) -> None:
    """internal-interfaces.md § Integration Service Interface › Integration Types: a SOAP task sends an XML request
    made from its input by WSDL and operation, and its XML answer becomes the output; a fault becomes an
    `INTEGRATION_ERROR`.
    """
    with soap.counter(CANARY) as url:
        settings = {"url": url, "auth": "usernameTokenDigest"}
        await connect(yard, "soap", settings, {"username": soap.USER, "password": CANARY})
        assert await ask(yard, {"wsdl": "?wsdl", "operation": "add"}, {"a": 1, "b": 2}) == 3
        await offer(yard, {"operation": "fail"})
        run = await yard.start("there", {"code": "Client", "detail": ""})
        with pytest.raises(TaskFailed):
            await run.result()
        error = (await get_task(yard.engine, int(run.id))).error or {}
        assert error["code"] == "INTEGRATION_ERROR"
        assert "it cannot be counted" in error["message"]


async def test_a_database_task(yard: Taskyard, tmp_path: Path) -> None:
    """internal-interfaces.md § Integration Service Interface › Integration Types: a database task runs a query or
    update with bound parameters and returns the result set or the number of rows.
    """
    with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as database:
        database.execute("CREATE TABLE item (id integer PRIMARY KEY, name text)")
        database.commit()
    await connect(yard, "database", {"url": "sqlite:///shop.db", "readOnly": False}, {})
    name = "x'; DROP TABLE item; --"
    insert = {"statement": "INSERT INTO item VALUES (:id, :name)", "expectedUpdateCount": 1}
    assert await ask(yard, insert, {"id": 1, "name": name}) == {"updateCount": 1}
    told = await ask(yard, {"statement": "SELECT id FROM item WHERE name = :name"}, {"name": name})
    assert told == {"rows": [{"id": 1}], "rowCount": 1, "truncated": False}


async def test_a_message_queue_task(yard: Taskyard) -> None:
    """internal-interfaces.md § Integration Service Interface › Integration Types: a message queue task publishes a
    message and returns the broker's acknowledgement.
    """
    with running(valkey(CANARY)) as server:
        await connect(yard, "message-queue", {"system": "redis", "servers": [server.address]}, {"password": CANARY})
        told = await ask(yard, {"destination": "orders"}, {"id": 7})
        async with Redis(host="127.0.0.1", port=server.port, password=CANARY) as far:
            [(entry, fields)] = await cast("Any", far).xrange("orders")
        assert (told["entryId"], fields[b"body"]) == (entry.decode(), b'{"id":7}')


async def test_a_file_transfer_task(yard: Taskyard, tmp_path: Path) -> None:
    """internal-interfaces.md § Integration Service Interface › Integration Types: a file transfer task uploads,
    downloads, lists, moves and deletes over FTP, SFTP and S3 and returns the transfer's status.
    """
    user = {"username": USER, "password": CANARY}
    keys = {"accessKeyId": "courier", "secretAccessKey": CANARY}
    for folder in ("sftp", "ftp", "s3"):
        (tmp_path / folder).mkdir()
    async with sftp(tmp_path / "sftp", CANARY) as (port, key):
        shown = key.get_fingerprint()
        settings = {"protocol": "sftp", "host": "127.0.0.1", "port": port, "hostKeys": [shown]}
        await connect(yard, "file-transfer", settings, user)
        await _transfer(yard)
    with ftp(tmp_path / "ftp", CANARY) as port:
        await connect(yard, "file-transfer", {"protocol": "ftp", "host": "127.0.0.1", "port": port}, user)
        await _transfer(yard)
    with ministack(tmp_path / "s3") as endpoint:
        async with aws._session().create_client(
            "s3", region_name="us-east-1", endpoint_url=endpoint, aws_access_key_id="a", aws_secret_access_key="b"
        ) as client:
            await client.create_bucket(Bucket="far")
        await connect(yard, "file-transfer", {"protocol": "s3", "bucket": "far", "endpoint": endpoint}, keys)
        await _transfer(yard)


async def _transfer(yard: Taskyard) -> None:
    up = await ask(yard, {"action": "upload", "path": "{name}.txt"}, {"name": "a", "content": "hello"})
    assert (up["status"], up["size"]) == ("uploaded", 5)
    assert (await ask(yard, {"action": "move", "path": "a.txt", "to": "b.txt"}))["status"] == "moved"
    assert [entry["name"] for entry in (await ask(yard, {"action": "list"}))["entries"]] == ["b.txt"]
    down = await ask(yard, {"action": "download", "path": "b.txt"})
    assert (down["status"], down["sha256"], down["file"]["name"]) == ("downloaded", up["sha256"], "b.txt")
    assert (await ask(yard, {"action": "delete", "path": "b.txt"}))["status"] == "deleted"
    assert (await ask(yard, {"action": "list"}))["entries"] == []

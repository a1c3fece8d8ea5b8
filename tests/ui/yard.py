"""The tasks that the browser's tests run, and the gates that hold them until a test has seen enough."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr

from taskyard import Context, Taskyard, UploadedFile
from taskyard.domain.definition import Definition
from taskyard.domain.queue import TaskType
from taskyard.engine.define import define
from taskyard.settings import load

APPROVAL_SCHEMA = {
    "type": "object",
    "properties": {
        "decision": {"enum": ["approve", "reject"], "title": "Decision"},
        "reason": {"type": "string", "title": "Reason", "minLength": 3},
    },
    "required": ["decision", "reason"],
}


class Row(BaseModel):
    """A table and how many rows it has."""

    table: str
    rows: int


class Parcel(BaseModel):
    """Something to send; it has to have a weight, and is insured as a rule."""

    weight: Annotated[float, Field(title="Weight")]
    insured: Annotated[bool, Field(title="Insured")] = True


class Gates:
    """Tasks wait at these until a test opens them."""

    def __init__(self) -> None:
        self.open = asyncio.Event()


def make_yard(folder: Path, database_url: str, gates: Gates) -> Taskyard:
    """A yard with a task of every temper."""
    settings = load({}).with_values(
        TASKYARD_DATA_DIR=str(folder), TASKYARD_GRACE=0.1, TASKYARD_EGRESS_ALLOW=("127.0.0.1",)
    )
    yard = Taskyard(database_url, settings=settings)

    @yard.task(
        key="back-up", title="Back up the database", description="Dumps a database and verifies the copy.",
        category="maintenance", icon="database", tags=["backup"], retry=0,
    )  # fmt: skip
    async def back_up(
        ctx: Context,
        name: Annotated[str, Field(title="Database", min_length=2)],
        format: Annotated[Literal["sql", "tar"], Field(title="Format")] = "tar",
        keep: Annotated[int, Field(title="Keep for", ge=1, le=365, json_schema_extra={"x-ui": {"unit": "days"}})] = 30,
        verify: Annotated[bool, Field(title="Verify after writing")] = True,
        passphrase: Annotated[SecretStr | None, Field(title="Passphrase")] = None,
    ) -> list[Row]:
        if name == "nowhere":
            raise LookupError("there is no database 'nowhere'")
        for number in range(3):
            ctx.log.info("dumped \x1b[36mtable %d\x1b[0m of %s", number, name)
            ctx.progress(number + 1, 3, "dumping")
        return [Row(table="orders", rows=1204), Row(table="customers", rows=88)]

    @yard.task(key="measure", title="Measure a file", category="data", icon="file")
    async def measure(file: UploadedFile, wrapping: Annotated[int, Field(title="Wrapping")] = 0) -> int:
        return len(file.path.read_bytes()) + wrapping

    @yard.task(
        key="purge", title="Purge sessions", category="maintenance", icon="trash",
        danger="Deletes every session.", expense="Locks the table for a minute.",
    )  # fmt: skip
    async def purge() -> str:
        return "purged"

    _add_more(yard, gates)
    return yard


def _add_more(yard: Taskyard, gates: Gates) -> None:
    """Those that wait, talk, fail and ask."""

    @yard.task(key="slow", title="A slow one", category="data", retry=0)
    async def slow(ctx: Context) -> str:
        ctx.log.info("it has begun")
        ctx.progress(1, 2, "waiting")
        await gates.open.wait()
        ctx.log.warning("it goes on")
        return "done"

    @yard.task(key="chatty", title="A chatty one", category="report", retry=0)
    async def chatty(ctx: Context, lines: int = 100) -> int:
        for number in range(lines):
            ctx.log.info("line %d of %d", number + 1, lines)
            if number % 500 == 0:
                await asyncio.sleep(0)
        return lines

    @yard.task(key="notify", title="Notify the legacy system", category="admin", retry=0)
    async def notify(port: int = 1) -> str:
        if port < 1000:
            raise ConnectionError(f"nobody listens at port {port}")
        return "notified"

    @yard.task(key="echo", title="Echo", category="data", retry=0)
    async def echo(ctx: Context, text: str, fails: bool = False) -> dict[str, str]:
        ctx.log.info("%s", text)
        ctx.progress(1, 2, text[:200])
        if fails:
            raise ValueError(text)
        return {text[:200]: text}

    @yard.task(key="count", title="Count", category="data", retry=0)
    async def count(many: Annotated[int, Field(title="Many")]) -> str:
        return str(many)

    @yard.task(key="send", title="Send something", category="data", retry=0)
    async def send(to: Annotated[str, Field(title="To")], parcel: Parcel | None = None) -> None:
        del to, parcel


async def define_manual(yard: Taskyard) -> None:
    """The work of people."""
    assignment = {"type": "GROUP", "id": "billing"}
    manual = {"kind": "manual", "assignment": assignment}
    await define(
        yard.engine,
        [
            Definition(
                key="approve", title="Approve a refund", task_type=TaskType.MANUAL, category="admin",
                icon="user", implementation=manual, output_schema=APPROVAL_SCHEMA,
            )
        ],
    )  # fmt: skip

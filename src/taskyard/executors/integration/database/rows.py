"""Rows into an answer, or into a file."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from pydantic_core import to_jsonable_python

from taskyard.calls.sql.result import Result, Row
from taskyard.contracts.integration import Call, OperationFailed
from taskyard.executors.integration.disk import telling_full


class Taken(NamedTuple):
    """`rows`, or `kept()` for the file they are in; `truncated`: there were more. `size` in bytes, as JSON."""

    rows: list[dict[str, Any]]
    row_count: int
    truncated: bool
    size: int
    kept: Callable[[], Awaitable[dict[str, Any]]] | None = None


async def collect(result: Result, most: int, most_bytes: int) -> Taken:
    """At most so many rows, and bytes of them."""
    rows: list[dict[str, Any]] = []
    size = 0
    while batch := await result.batch():
        for row in batch:
            plain = _plain(row)
            weight = len(msgspec.json.encode(plain))
            if len(rows) == most or size + weight > most_bytes:
                return Taken(rows, len(rows), truncated=True, size=size)
            rows.append(plain)
            size += weight
    return Taken(rows, len(rows), truncated=False, size=size)


async def write(result: Result, form: str, most: int | None, call: Call, most_bytes: int) -> Taken:
    """A file of at most so many rows. Raises OperationFailed for one that becomes larger than may be."""
    path = call.files.folder / ("rows.csv" if form == "csv" else "rows.jsonl")
    count = size = 0
    truncated = False
    encode = _csv if form == "csv" else _lines
    while not truncated and (batch := await result.batch()):
        truncated = most is not None and count + len(batch) > most
        rows = batch[: most - count] if most is not None else batch
        content = await asyncio.to_thread(encode, rows, count == 0)
        size += len(content)
        if size > most_bytes:
            raise OperationFailed(
                f"the rows take more than {most_bytes} bytes; ask for fewer", reason="too-large", retryable=False
            )
        with telling_full():
            await asyncio.to_thread(_append, path, content)
        count += len(rows)
        call.progress(count, most)
    await asyncio.to_thread(_append, path, b"")

    async def keep() -> dict[str, Any]:
        return {"file": await call.files.keep(path, path.name)}

    return Taken([], count, truncated=truncated, size=size, kept=keep)


def _lines(rows: Sequence[Row], first: bool) -> bytes:
    del first
    return b"".join(msgspec.json.encode(_plain(row)) + b"\n" for row in rows)


def _csv(rows: Sequence[Row], first: bool) -> bytes:
    """Rows of CSV (RFC 4180), the names before the first."""
    text = io.StringIO()
    writer = csv.writer(text)
    if first and rows:
        writer.writerow(rows[0].keys())
    writer.writerows(_plain(row).values() for row in rows)
    return text.getvalue().encode()


def _append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def _plain(row: Row) -> dict[str, Any]:
    values: dict[str, Any] = to_jsonable_python(dict(row), bytes_mode="base64", fallback=str)
    return values

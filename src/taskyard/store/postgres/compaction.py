"""Letting go of what is over, without anybody having to wait for it.

A span whose time is over is compacted, then dropped: what is still wanted of it is copied into tables of its own,
piece by piece; a trigger tells which tasks are written to meanwhile, and these are copied again in the moment in
which the partitions are exchanged. Few leftovers move into the default partitions instead. Where it is broken off
nothing has changed, and the next turn begins anew. What is in no such span is deleted in pieces.
"""

from __future__ import annotations

from collections.abc import Iterator

import asyncpg

from taskyard.domain.ids import floor_id
from taskyard.store.postgres.database import Pool
from taskyard.store.postgres.partitions import (
    DEFAULT,
    HOUR_US,
    TABLES,
    Span,
    attach,
    create,
    detach,
    locked,
    patiently,
    spans,
    sweep_up,
)
from taskyard.store.postgres.statements import statement

_AT_ONCE = 2000
_FEW = 5000
_REST = statement("prune_rest")
_UPLOADS = statement("forget_uploads")

_WATCH = (
    "CREATE OR REPLACE TRIGGER touch AFTER INSERT OR UPDATE OR DELETE ON taskyard.{table}{suffix} "
    "FOR EACH ROW EXECUTE FUNCTION taskyard.touch('{key}')"
)
_TOUCHED = "(SELECT task_id FROM taskyard.touched WHERE task_id >= {low} AND task_id < {high})"
_CALLED_BACK = """
WITH living AS (
  SELECT task_id FROM taskyard.resting WHERE task_id >= {low} AND task_id < {high}
  UNION SELECT task_id FROM (SELECT unnest(task_ids) AS task_id FROM taskyard.claim) c
  WHERE task_id >= {low} AND task_id < {high}
)
INSERT INTO taskyard.touched
SELECT task_id FROM living WHERE NOT EXISTS (SELECT FROM taskyard.task{new} WHERE id = living.task_id)
"""


async def prune(pool: Pool, before: int) -> int:
    """Forget what ended before that moment; how many tasks."""
    await sweep_up(pool)
    first = floor_id(before)
    pruned = 0
    for span in await spans(pool):
        if span.high <= first:
            pruned += await _let_go(pool, span, before)
    pruned += await _delete(pool, DEFAULT, before, first)
    while await pool.value(_REST, before, first, _AT_ONCE):
        pass
    await pool.fetch(_UPLOADS, before, first)
    return pruned


async def compact(pool: Pool, span: Span, before: int) -> int:
    """Replace a span's partitions by what is kept of them; how many tasks are not."""
    new = await patiently(lambda: _begin(pool, span))
    sql = statement("compact", old=span.suffix, new=new.suffix)
    gone = 0
    for low, high in _pieces(span):
        gone += await pool.value(sql, low, high, before)
    counts = [await pool.value(f"SELECT count(*) FROM taskyard.{table}{new.suffix}") for table in TABLES]
    await patiently(lambda: _exchange(pool, span, new, few=sum(counts) <= _FEW))
    await sweep_up(pool)
    return gone


async def _let_go(pool: Pool, span: Span, before: int) -> int:
    """Compact a span once; then delete from it, until so little is left that it can go as a whole."""
    if not span.kept:
        return await compact(pool, span, before)
    pruned = await _delete(pool, span.suffix, before, span.high)
    if await pool.value(f"SELECT count(*) FROM taskyard.task{span.suffix}") <= _FEW / len(TABLES):
        pruned += await compact(pool, span, before)
    return pruned


async def _delete(pool: Pool, part: str, before: int, end: int) -> int:
    """Delete what is over from the partitions with this ending, as far as the id `end`; how many tasks."""
    sql = statement("prune", part=part)
    pruned = 0
    reached: int | None = 0
    while reached is not None:
        row = await pool.only(sql, before, end, reached, _AT_ONCE)
        pruned, reached = pruned + row["pruned"], row["reached"]
    return pruned


async def _begin(pool: Pool, span: Span) -> Span:
    """Make the new tables, and from then on have whoever writes to the old ones leave a trace."""
    await sweep_up(pool)
    async with pool.transaction() as connection:
        new = await create(connection, span.begin, span.end, kept=True)
    async with locked(pool, [span.suffix], "SHARE ROW EXCLUSIVE") as connection:
        for table, key in TABLES.items():
            await connection.execute(_WATCH.format(table=table, suffix=span.suffix, key=key))
    return new


async def _exchange(pool: Pool, old: Span, new: Span, *, few: bool) -> None:
    """The moment: copy again what was touched, and put the new in place of the old."""
    async with locked(pool, ["", old.suffix, DEFAULT]) as connection:
        await _catch_up(connection, old, new)
        await detach(connection, old)
        if not few:
            await attach(connection, new)
            return
        for table in TABLES:
            moved = f"SELECT * FROM taskyard.{table}{new.suffix}"
            await connection.execute(f"INSERT INTO taskyard.{table} {moved}")


async def _catch_up(connection: asyncpg.Connection, old: Span, new: Span) -> None:
    await connection.execute(_CALLED_BACK.format(low=old.low, high=old.high, new=new.suffix))
    touched = _TOUCHED.format(low=old.low, high=old.high)
    for table, key in TABLES.items():
        again = f"SELECT * FROM taskyard.{table}{old.suffix} WHERE {key} IN {touched}"
        await connection.execute(f"DELETE FROM taskyard.{table}{new.suffix} WHERE {key} IN {touched}")
        await connection.execute(f"INSERT INTO taskyard.{table}{new.suffix} {again}")
    await connection.execute(f"DELETE FROM taskyard.touched WHERE task_id IN {touched}")


def _pieces(span: Span) -> Iterator[tuple[int, int]]:
    """The span hour by hour, as ids from and before."""
    for hour in range(span.begin, span.end):
        yield floor_id(hour * HOUR_US), floor_id((hour + 1) * HOUR_US)

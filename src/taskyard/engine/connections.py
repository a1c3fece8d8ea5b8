"""Connections: what is kept of external systems, and of the secrets that let us in."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from taskyard.contracts.connections import ConnectionRow, KeptRow
from taskyard.contracts.integration import JsonSchema
from taskyard.contracts.store import Store
from taskyard.domain.breaker import CONNECTION, BreakerState
from taskyard.domain.connection import Connection, Secret, SecretFrom, check_connection
from taskyard.domain.facts import PlaceKind
from taskyard.domain.forms.fields import with_defaults
from taskyard.domain.gate import CallGate, RateGate
from taskyard.domain.policy import invalid
from taskyard.engine import lease
from taskyard.engine.connection_book import Known, connection_of, limits_of
from taskyard.engine.engine import Engine
from taskyard.engine.query import know_one
from taskyard.errors import (
    CircuitOpen,
    ConfigurationError,
    Conflict,
    Forbidden,
    NotFound,
    RateLimited,
    TaskyardError,
)
from taskyard.security.box import SecretBox
from taskyard.security.caller import Caller
from taskyard.security.lease import LeaseSigner

Kept = dict[str, Secret]

_AT_ONCE = 200
_LINGERING = 10.0
"""Seconds for which a call may take longer to end than it has, before it no longer counts."""
_SOON = 1.0


class ConnectionPage(NamedTuple):
    """Some connections by their ids, and the id after which the next page begins (None: there is none)."""

    items: list[Known]
    next: str | None


async def put_connection(
    engine: Engine, box: SecretBox, connection: Connection, secrets: Mapping[str, Secret] | None
) -> tuple[Known, bool]:
    """Keep a connection under its id, and whether it is new; without `secrets` those of the same settings stay.

    Raises ValidationFailed, Conflict while somebody else changes it.
    """
    if connection.type not in engine.connection_types.names:
        known = ", ".join(engine.connection_types.names)
        raise invalid("/type", f"must be one of {known}", "enum")
    type_ = engine.connection_types.get(connection.type)
    before = await engine.connections.find_now(connection.connection_id)
    given = secrets
    if secrets is None:
        secrets = _kept_for(box, connection, before, type_.settings)
    check_connection(connection, secrets, type_.settings, type_.secrets)
    now = await engine.store.now()
    revision = now if before is None else max(now, before.row.revision + 1)
    sealed = box.seal(msgspec.json.encode(secrets), _place(connection.connection_id))
    row = ConnectionRow(connection, sealed, now if before is None else before.row.created_at, revision)
    seen = None if before is None else before.row.revision
    if not await engine.store.save_connection(row, seen):
        raise Conflict(f"the connection {connection.connection_id!r} is being changed by somebody else; look again")
    if given is not None:
        await SharedByLinks(engine.store, box, connection.connection_id).forget_unopened()
    return await get_connection(engine, connection.connection_id), before is None


async def get_connection(engine: Engine, connection_id: str) -> Known:
    """A connection and its breaker, as they are now. Raises NotFound."""
    known = await engine.connections.find_now(connection_id)
    if known is None:
        raise NotFound(f"there is no connection {connection_id!r}; `taskyard connections` lists those there are")
    return known


async def list_connections(engine: Engine, limit: int, after: str | None) -> ConnectionPage:
    """A page of the connections, by id."""
    rows = await engine.store.connections(limit + 1, after or "")
    await engine.connections.refresh()
    found = [await engine.connections.find(row.id) for row in rows[:limit]]
    return ConnectionPage([known for known in found if known], rows[limit - 1].id if len(rows) > limit else None)


async def remove_connection(engine: Engine, connection_id: str) -> None:
    """Forget a connection with its secrets; tasks that go over it fail. Raises NotFound."""
    if not await engine.store.remove_connection(connection_id):
        raise NotFound(f"there is no connection {connection_id!r}; `taskyard connections` lists those there are")
    await engine.connections.refresh()


@contextlib.asynccontextmanager
async def entered(engine: Engine, known: Known, seconds: float) -> AsyncIterator[None]:
    """Room for a call that is no task's, for so long at most: fewer tasks start meanwhile.

    Raises RateLimited where the connection's limits are used up, and CircuitOpen where calls are not made.
    """
    gates = limits_of(known.row.connection)
    call_id = await _begun(engine, known, gates, seconds) if gates else None
    try:
        yield
    finally:
        if call_id is not None and known.row.connection.limits.max_concurrent is not None:
            with contextlib.suppress(TaskyardError):  # then its time ends it
                await engine.store.end_call(call_id)


async def _begun(engine: Engine, known: Known, gates: Sequence[RateGate | CallGate], seconds: float) -> int:
    name, now = known.row.id, await engine.store.now()
    if known.breaker.state(CONNECTION, now) is BreakerState.OPEN:
        message = f"calls to {name} fail too often and are not made for a while"
        raise CircuitOpen(message, circuit=name, retry_after=known.breaker.opens_in(CONNECTION, now) / 1e6)
    begun = await engine.store.begin_call(gates, int((seconds + _LINGERING) * 1e6))
    if begun.call_id is not None:
        return begun.call_id
    wait = max(_SOON, (begun.opens_at - now) / 1e6)
    match begun.shut:
        case RateGate(_, rate):
            message = f"over {name!r} {rate} may start; ask again later"
        case CallGate(_, limit):
            message = f"over {name!r} {limit} calls are made at once; ask again when one has ended"
        case _:
            message = f"too many ask at once for calls over {name!r}; ask again"
    raise RateLimited(message, retry_after=wait)


async def leased_connection(
    engine: Engine, signer: LeaseSigner, caller: Caller, connection_id: str, task_id: int, token: str
) -> ConnectionRow:
    """The connection, for who holds the lease of a task that goes over it.

    Raises NotFound, StaleLease, Forbidden for a task whose definition may not use it.
    """
    known = await get_connection(engine, connection_id)
    held = lease.read_token(signer, caller, task_id, token)
    task = await know_one(engine, task_id)
    place, definition = task.facts.place, task.kind.definition
    if place is None or place.kind is not PlaceKind.RUNNING or place.attempt != held.attempt:
        raise lease.stale(task_id)
    if not await engine.store.extend(held.claim_id, task_id, held.attempt, None):
        raise lease.stale(task_id)
    if connection_of(definition) != connection_id or not known.row.connection.allows(definition.key):
        raise Forbidden(f"the tasks of {definition.key!r} do not go over {connection_id!r}, or may not")
    return known.row


def open_kept(box: SecretBox, row: ConnectionRow) -> Kept:
    """A connection's secrets, or where they are kept. Raises ConfigurationError when the key is another one."""
    return msgspec.json.decode(box.open(row.secrets, _place(row.id)), type=Kept)


class SharedByLinks:
    """What the links of a connection keep for each other."""

    def __init__(self, store: Store, box: SecretBox, connection_id: str) -> None:
        self._store = store
        self._box = box
        self._id = connection_id

    async def get(self) -> tuple[int, bytes | None]:
        """See the contract."""
        row = await self._store.kept(self._id)
        if row is None:
            return 0, None
        return row.version, self._box.open(row.content, _kept_place(self._id)) or None

    async def put(self, version: int, content: bytes) -> bool:
        """See the contract."""
        sealed = self._box.seal(content, _kept_place(self._id))
        return await self._store.keep(self._id, KeptRow(version, sealed))

    async def now(self) -> float:
        """See the contract."""
        return await self._store.now() / 1e6

    async def forget_unopened(self) -> None:
        """Begin anew where no key here opens what is kept: the secrets have been given anew."""
        try:
            await self.get()
        except ConfigurationError:
            row = await self._store.kept(self._id)
            if row is not None:
                await self.put(row.version, b"")


async def renew_connections(engine: Engine, box: SecretBox) -> int:
    """Seal with the present key what a former one has sealed; how many connections. May run beside all else."""
    count, after = 0, ""
    while rows := await engine.store.connections(_AT_ONCE, after):
        after = rows[-1].id
        for row in rows:
            if box.is_former(row.secrets):
                renewed = row._replace(secrets=box.renew(row.secrets, _place(row.id)), revision=row.revision + 1)
                count += await engine.store.save_connection(renewed, row.revision)
            kept = await engine.store.kept(row.id)
            if kept is not None and box.is_former(kept.content):
                await engine.store.keep(row.id, kept._replace(content=box.renew(kept.content, _kept_place(row.id))))
    return count


def shown_secrets(secrets: Mapping[str, Secret]) -> dict[str, Any]:
    """What may be read of them: their names, and where those are kept that are not kept here."""
    return {name: {"from": s.source} if isinstance(s, SecretFrom) else True for name, s in secrets.items()}


def _kept_for(box: SecretBox, connection: Connection, before: Known | None, schema: JsonSchema) -> Kept:
    """The secrets it has. Raises ValidationFailed where they might go elsewhere now, to who may not read them."""
    if before is None or before.row.connection.type != connection.type:
        return {}
    kept = open_kept(box, before.row)
    former, wanted = (with_defaults(dict(schema), each.settings) for each in (before.row.connection, connection))
    if kept and former != wanted:
        raise invalid("/secrets", "must be given anew with other settings, which may lead elsewhere", "required")
    return kept


def _place(connection_id: str) -> str:
    return f"connection/{connection_id}"


def _kept_place(connection_id: str) -> str:
    return f"connection/{connection_id}/kept"

"""Audit: the chain that seals what happens to tasks, and its verification."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from taskyard.contracts.audit import AuditRow
from taskyard.domain import sequence
from taskyard.domain.facts import Note
from taskyard.domain.lifecycle import EventType
from taskyard.domain.seal import BEGINNING, Known, fact_digest, link, struck_out
from taskyard.domain.waiting import former_inputs
from taskyard.engine.engine import Engine
from taskyard.engine.events import Reference, references_of
from taskyard.engine.query import know
from taskyard.errors import TaskyardError

READER: Final = "audit"
_AT_ONCE: Final = 500
_MOST_FINDINGS: Final = 1000
_FINAL: Final = frozenset({EventType.COMPLETED, EventType.FAILED, EventType.DEADLETTERED, EventType.CANCELED})


class Finding(NamedTuple):
    """Something that is not as it was sealed. `number`: the entry; `problem`: changed, missing or moved."""

    number: int
    problem: str
    message: str
    task_id: str | None = None


class Verdict(NamedTuple):
    """What came of a verification. `forgotten`: entries whose tasks are over for longer than tasks are kept."""

    entries: int
    forgotten: int
    findings: list[Finding]
    head: str | None


class Chain:
    """Seals what the feed tells, where it has come to. One process at a time has turns; `key` is 32 secret bytes."""

    def __init__(self, engine: Engine, key: bytes) -> None:
        self._engine = engine
        self._key = key

    async def turn(self) -> None:
        """Seal all that is new; of the first time on all that there is."""
        store = self._engine.store
        position = await store.reader_position(READER)
        if position is None:
            await store.move_reader(READER, None, 0)
            position = 0
        while references := references_of(await store.feed(position, _AT_ONCE), position, _AT_ONCE):
            last = await store.audit_head()
            rows = await self._seal(references, last)
            if not await store.extend_audit(rows, READER, position, references[-1].pos):
                return
            position = references[-1].pos

    async def _seal(self, references: Sequence[Reference], last: AuditRow | None) -> list[AuditRow]:
        number, before = (0, BEGINNING) if last is None else (last.number, last.chain)
        rows = []
        digests = await _digests(self._engine, [(r.task_id, r.sequence, r.type) for r in references])
        for reference in references:
            fact = digests.get((reference.task_id, reference.sequence, reference.type))
            if fact is None:  # a task that was forgotten before it could be sealed
                continue
            number += 1
            entry = (reference.task_id, reference.sequence, int(reference.type), reference.at)
            before = link(self._key, before, number, reference.pos, entry, fact)
            rows.append(AuditRow(number, reference.pos, *entry, fact, before))
        return rows


async def verify(
    engine: Engine, key: bytes, retention_us: int, expected: str | None = None, *, former: Sequence[bytes] = ()
) -> Verdict:
    """Look whether all is as it was sealed, with the key or one that it was before. `expected`: a head (`number:seal`)
    that was noted before.
    """
    looking = _Look(engine, (key, *former), await engine.store.now() - retention_us)
    while rows := await engine.store.audit_rows(looking.number, _AT_ONCE):
        await looking.at(rows, expected)
    await looking.at_the_end(expected)
    head = None if looking.last is None else head_of(looking.last)
    return Verdict(looking.entries, looking.forgotten, looking.findings[:_MOST_FINDINGS], head)


def head_of(row: AuditRow) -> str:
    """By what an entry is known: its number and its seal."""
    return f"{row.number}:{row.chain.hex()}"


class _Look:
    """A verification under way."""

    def __init__(self, engine: Engine, keys: Sequence[bytes], horizon: int) -> None:
        self._engine = engine
        self._keys = keys
        self._horizon = horizon
        self._before = BEGINNING
        self._met = False
        self._gone: dict[int, int] = {}
        self.number = 0
        self.last: AuditRow | None = None
        self.entries = 0
        self.forgotten = 0
        self.findings: list[Finding] = []

    async def at(self, rows: Sequence[AuditRow], expected: str | None) -> None:
        """Look at some entries: at their seals, then at what they stand for."""
        for row in rows:
            self._look_at_seal(row)
            self._met |= expected == head_of(row)
        await self._look_at_facts(rows)
        self.entries += len(rows)

    async def at_the_end(self, expected: str | None) -> None:
        """Look at what only the whole tells."""
        for task_id, number in self._gone.items():
            self._found(number, "missing", "the task is gone, though it was not over for long enough", task_id)
        if await self._lacks_its_end():
            self._found(self.number + 1, "missing", "entries are missing at the end of the chain")
        if expected is not None and not self._met:
            self._found(0, "missing", f"the entry {expected[:40]}… that was noted is not in the chain")

    async def _lacks_its_end(self) -> bool:
        """Whether something was sealed, by where the chain has come to, that has no entry."""
        store, after = self._engine.store, 0 if self.last is None else self.last.pos
        position = await store.reader_position(READER) or 0
        rest = references_of(await store.feed(after, _AT_ONCE), after, _AT_ONCE) if position > after else []
        sealed = [(r.task_id, r.sequence, r.type) for r in rest if r.pos <= position]
        return any((await _digests(self._engine, sealed)).values())

    def _look_at_seal(self, row: AuditRow) -> None:
        if row.number != self.number + 1:
            self._found(self.number + 1, "missing", f"entries up to {row.number - 1} are missing")
        else:
            entry = (row.task_id, row.sequence, row.type, row.at)
            seals = (link(key, self._before, row.number, row.pos, entry, row.digest) for key in self._keys)
            if row.chain not in seals:
                self._found(row.number, "moved", "the entry was changed, or stood elsewhere", row.task_id)
        self.number, self._before, self.last = row.number, row.chain, row

    async def _look_at_facts(self, rows: Sequence[AuditRow]) -> None:
        """All at once; where something cannot even be read, one by one."""
        try:
            known = await _known(self._engine, [_asked(row) for row in rows])
            digests = [_digest_of(_asked(row), known) for row in rows]
        except Exception as error:
            if isinstance(error, TaskyardError):
                raise
            if len(rows) == 1:
                message = f"what is known of {_name(rows[0])} cannot be read any more"
                self._found(rows[0].number, "changed", message, rows[0].task_id)
                return
            for row in rows:
                await self._look_at_facts([row])
            return
        for row, digest in zip(rows, digests, strict=True):
            if row.task_id not in known.bodies:
                self._look_for_gone(row)
            elif digest is None:
                self._found(row.number, "missing", f"what is known of {_name(row)} is gone", row.task_id)
            elif digest != row.digest:
                self._found(row.number, "changed", f"what is known of {_name(row)} was changed", row.task_id)
            elif (gone := struck_out(row.sequence, _fact(_asked(row), known))) is not None:
                message = f"{gone}, who replaced the input with {_name(row)}, is behind the task no more"
                self._found(row.number, "changed", message, row.task_id)

    def _look_for_gone(self, row: AuditRow) -> None:
        """A task may be gone once it is over for as long as tasks are kept."""
        self.forgotten += 1
        if row.type in _FINAL and row.at < self._horizon:
            self._gone.pop(row.task_id, None)
        else:
            self._gone[row.task_id] = row.number

    def _found(self, number: int, problem: str, message: str, task_id: int | None = None) -> None:
        self.findings.append(Finding(number, problem, message, None if task_id is None else str(task_id)))


def _name(row: AuditRow) -> str:
    known = row.type in EventType.__members__.values()
    return f"{EventType(row.type).name.lower() if known else 'an event'} (sequence {row.sequence})"


def _asked(row: AuditRow) -> _Asked:
    return row.task_id, row.sequence, EventType(row.type)


_Asked = tuple[int, int, EventType]


class _Grounds(NamedTuple):
    bodies: dict[int, Any]
    attempts: dict[tuple[int, int], Any]
    notes: dict[tuple[int, int], Note]
    inputs: dict[int, list[Any] | None]


async def _digests(engine: Engine, asked: Sequence[_Asked]) -> dict[_Asked, bytes | None]:
    known = await _known(engine, asked)
    return {each: _digest_of(each, known) for each in asked}


async def _known(engine: Engine, asked: Sequence[_Asked]) -> _Grounds:
    ids = sorted({task_id for task_id, _, _ in asked})
    pairs = sorted({(task_id, sequence.attempt_of(number)) for task_id, number, _ in asked})
    bodies = {one.facts.body.id: one for one in await know(engine, ids)}
    attempts = {(fact.task_id, fact.attempt): fact for fact in await engine.store.attempt_facts(pairs)}
    notes: defaultdict[int, list[Note]] = defaultdict(list)
    for note in await engine.store.notes(ids):
        notes[note.task_id].append(note)
    by_place = {(note.task_id, note.sequence): note for some in notes.values() for note in some}
    inputs = {
        task_id: await _first_input(engine, task_id, notes[task_id])
        for task_id, one in bodies.items()
        if one.facts.body.revision
    }
    return _Grounds(bodies, attempts, by_place, inputs)


async def _first_input(engine: Engine, task_id: int, notes: Sequence[Note]) -> list[Any] | None:
    """In a list what the task was first given, where that was replaced later; else None."""
    given = former_inputs(await engine.store.attempts(task_id), notes)
    return [given[min(given)]] if given else None


def _digest_of(asked: _Asked, known: _Grounds) -> bytes | None:
    task_id, number, type_ = asked
    return fact_digest(type_, number, _fact(asked, known)) if task_id in known.bodies else None


def _fact(asked: _Asked, known: _Grounds) -> Known:
    task_id, number, _ = asked
    one, place = known.bodies[task_id], (task_id, number)
    attempt = known.attempts.get((task_id, sequence.attempt_of(number)))
    return Known(one.facts.body, one.kind.hash, attempt, known.notes.get(place), known.inputs.get(task_id))

"""The store: where tasks are kept safe. One contract, one conformance suite, two implementations.

A task is in exactly one place. A move takes it out of one place and puts it into another in one
transaction; a move that finds the task gone changes nothing and says so. Stores decide nothing:
they apply what `taskyard.domain.settlement` and the verbs of the engine have decided.

All verbs take and give batches. Times are microseconds since the epoch, told by the store's own clock
(`now`), never by a client's, unless the store was given a clock that is moved by hand.
Every verb raises `Overloaded` when the database cannot be reached.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from taskyard.contracts.audit import Audit
from taskyard.contracts.bus import Bus
from taskyard.contracts.connections import Connections
from taskyard.contracts.insight import Insight
from taskyard.contracts.instances import Instances
from taskyard.contracts.moves import Moves
from taskyard.contracts.notices import Notices
from taskyard.contracts.people import People
from taskyard.contracts.reading import Reading
from taskyard.contracts.records import (
    Contention,
    Emitted,
    Entry,
    Found,
    GatedLease,
    Lease,
    LostTask,
    ProgressReport,
    QueueRow,
    Settlement,
    Topic,
    Turn,
    Unique,
    WorkerInfo,
    WorkerRow,
)
from taskyard.contracts.schedules import Schedules
from taskyard.contracts.vault import Vault
from taskyard.contracts.webhooks import Webhooks
from taskyard.domain.definition import Definition, Kind
from taskyard.domain.facts import Line
from taskyard.domain.gate import GatedLane, RateGate
from taskyard.domain.policy import Policy
from taskyard.domain.priority import AGED, HeadStarts
from taskyard.domain.queue import LaneKey


class Lifetime(Protocol):
    """Its own life."""

    async def open(self) -> None:
        """Connect and take a node number. Raises ConfigurationError when the schema is not migrated."""

    async def close(self) -> None:
        """Finish what is under way and let go of everything. May be called twice."""

    async def migrate(self) -> list[str]:
        """Bring the schema up to date; the names of the migrations applied. Safe from many processes."""

    async def now(self) -> int:
        """The store's time."""

    async def try_writing(self) -> None:
        """Store something and take it away again. Raises Overloaded where nothing can be stored."""

    def new_ids(self, count: int) -> list[int]:
        """Fresh ids, growing with time."""

    def listen(self, topic: Topic, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` (on the event loop) on wake-ups for `topic`; returns how to stop."""


class Names(Protocol):
    """Definitions, and the short names the hot path uses."""

    async def save_kinds(self, definitions: Sequence[Definition]) -> list[Kind]:
        """The stored versions of these contents, made where they are new; each becomes its key's current."""

    async def current_kinds(self) -> list[tuple[int, bool]]:
        """The id of every definition's current version, and whether the definition is retired; by key."""

    async def kinds(self, ids: Sequence[int]) -> list[Kind]:
        """The versions with these ids."""

    async def versions(self, key: str) -> list[Kind]:
        """All versions of a definition, newest first."""

    async def retire(self, key: str) -> bool:
        """Take a definition out of use; False where there is none."""

    async def lanes(self, keys: Sequence[LaneKey]) -> list[int]:
        """The ids of these lanes, made where they are new."""

    async def all_lanes(self, beyond: int = 0) -> list[tuple[int, LaneKey]]:
        """Every lane there is with an id beyond this one; ids grow, but a smaller one may appear later."""

    async def policies(self, policies: Sequence[Policy]) -> list[int]:
        """The ids of these policies, made where they are new."""

    async def policies_by_id(self, ids: Sequence[int]) -> list[tuple[int, Policy]]:
        """The policies with these ids."""


class Submission(Protocol):
    """Tasks coming in."""

    async def enqueue(self, entries: Sequence[Entry]) -> None:
        """Store the tasks, all or none, each with its `created` event."""

    async def enqueue_unique(self, entry: Entry, uniques: Sequence[Unique]) -> Found | None:
        """Store the task unless one of its keys is held; then nothing is stored and the holder returned."""

    async def enqueue_with(self, connection: Any, entries: Sequence[Entry]) -> None:
        """Store the tasks in the caller's own open transaction. Raises ConfigurationError for a connection
        of a kind or database that cannot carry them.
        """


class Execution(Protocol):
    """Tasks under lease."""

    async def register(self, info: WorkerInfo) -> int:
        """Enter a worker; its id. An HTTP worker registers anew with each dequeue under its own name."""

    async def beat(self, worker_id: int, running: Sequence[int], stats: dict[str, Any]) -> bool:
        """Say that the worker lives and what it runs; False when it has been given up meanwhile."""

    async def bury(self, worker_id: int, running: Sequence[int] | None, *, crashed: bool = False) -> None:
        """Say that the worker is dead: its tasks may be recovered at once. `running` when known exactly.

        `crashed`: something that ran in it is the cause.
        """

    async def workers(self) -> list[WorkerRow]:
        """The workers that are not dead."""

    async def claim(
        self,
        worker_id: int,
        lanes: Sequence[int],
        limit: int,
        visibility_us: int | None = None,
        head_starts: HeadStarts = AGED,
    ) -> Lease | None:
        """Lease up to `limit` tasks from these lanes, in order; None when there is nothing.

        With `visibility_us` the lease ends at that age unless extended, else with its worker's life.
        """  # fmt: skip

    async def claim_gated(
        self,
        worker_id: int,
        lanes: Sequence[GatedLane],
        limit: int,
        visibility_us: int | None = None,
        head_starts: HeadStarts = AGED,
    ) -> GatedLease:
        """The same, and no more than the lanes' gates let through. Where nobody waits before a gate, nothing is leased.

        A ceiling counts what is under lease, without the parents that wait for a subtask; a call gate what is under
        lease of its definitions, and the calls without a task that have begun.
        """  # fmt: skip

    async def extend(self, claim_id: int, task_id: int, attempt: int, visibility_us: int | None) -> bool:
        """Let a lease with a visibility end that much from now; False when it is gone.

        None leaves the end as it is and only tells whether the lease still holds.
        """

    async def settle(
        self, worker_id: int | None, settlements: Sequence[Settlement], closing: Sequence[int]
    ) -> set[tuple[int, int]]:
        """Apply these ways out of claims; the (task, attempt) pairs that were moved.

        A pair is not moved when its claim is gone or it has left it before. `closing` are claims of which
        nothing is left. `worker_id` None is for recovery, which may close anybody's claim.
        """

    async def revoked(self, worker_id: int) -> list[tuple[int, int]]:
        """The (task, attempt) pairs under lease to this worker that were canceled and not settled.

        Settled ones may be among them while anything of their claim is left. What was lost is told by `beat`.
        """

    async def lost(self, limit: int) -> list[LostTask]:
        """Tasks whose worker is dead or whose visibility has run out."""

    async def last_said(self, task_id: int) -> int:
        """The highest sequence among a task's lines and progress; 0 where there are none."""

    async def record(
        self, lines: Sequence[Line], progress: Sequence[ProgressReport], emitted: Sequence[Emitted] = ()
    ) -> None:
        """Keep what running tasks say of themselves, each once; what they emit also becomes an event.

        An attempt that has ended emits no more.
        """


class Upkeep(Protocol):
    """What has to be done now and then."""

    async def lead(self, role: str, holder: str, ttl_us: int) -> bool:
        """Take or keep a role for so long; False while another holds it."""

    async def promote(self, limit: int) -> int:
        """Make ready what is due; how many."""

    async def tidy(self) -> None:
        """What keeps claims fast and limits honest: floors raised, orphaned slots freed, parked admitted."""

    async def sequence(self, limit: int) -> int:
        """Give new events their positions in the feed; how many batches."""

    async def make_room(self, retention_us: int) -> None:
        """Prepare for what is to come, so that what is kept for so long can then be forgotten cheaply."""

    async def prune(self, before: int) -> int:
        """Forget what ended before that moment, with all that belongs to it, and letters dead since; how many tasks.

        Not what was started on behalf of a task that is kept. What has had room made for it may stay until all
        that was made within a sixth of the retention is over.
        """


class Queues(Protocol):
    """The five queues."""

    async def queues(self) -> list[QueueRow]:
        """The figures of the five queues."""

    async def rates(self, seconds: int) -> dict[int, tuple[int, int]]:
        """By queue: how many tasks were added and how many dispatched in the last so many seconds."""

    async def pause(self, queue: int, paused: bool) -> None:
        """Let nothing be dequeued from a queue, or let it go on."""

    async def paused(self) -> set[int]:
        """The queues that are paused."""

    async def turn(self, task_id: int) -> Turn | None:
        """Where a task stands; None when it is not ready."""

    async def rate_opens_at(self, gate: RateGate) -> int:
        """When a rate lets the next task pass: now, or later."""

    async def contention(self, task_id: int, holders: int) -> Contention | None:
        """What a task waits for, and up to so many `holders` of each slot; None when it is not parked."""


class Store(
    Lifetime,
    Names,
    Submission,
    Execution,
    Moves,
    Upkeep,
    Queues,
    Schedules,
    Instances,
    People,
    Notices,
    Audit,
    Reading,
    Insight,
    Vault,
    Bus,
    Webhooks,
    Connections,
    Protocol,
):
    """The contract. See the module's text for what holds for all verbs."""

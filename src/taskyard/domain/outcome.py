"""What an executor reports about one attempt."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec


class Site(NamedTuple):
    """Where an attempt ran: the tier that kept it, and the hash of the lock of its packages, empty for none."""

    tier: str
    lock: str = ""


class TaskError(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Why an attempt failed. `retryable` None leaves it to the policy."""

    code: str
    message: str
    details: Any = None
    stack_trace: str | None = None
    retryable: bool | None = None


class MadeFile(msgspec.Struct, frozen=True):
    """A file that an attempt has made; its value calls it `file:` and its name."""

    name: str
    content: bytes


class Done(msgspec.Struct, frozen=True):
    """The handler has returned `value`, any JSON value, not yet checked against the output schema."""

    value: Any
    warnings: tuple[dict[str, Any], ...] = ()
    files: tuple[MadeFile, ...] = ()


class Completed(msgspec.Struct, frozen=True):
    """The work is done; `output` is JSON, `warnings` what went wrong on the way without stopping it."""

    output: bytes
    warnings: tuple[dict[str, Any], ...] = ()


class Failed(msgspec.Struct, frozen=True):
    """The attempt failed; `delay` in seconds, when the error itself says when to come back."""

    error: TaskError
    delay: float | None = None


class Postponed(msgspec.Struct, frozen=True):
    """Come back later without burning the retry budget; `delay` in seconds, None for the policy's.

    `circuit`: the open circuit that it waits for, if it waits for one.
    """

    delay: float | None = None
    reason: str | None = None
    circuit: str | None = None


class Released(msgspec.Struct, frozen=True):
    """Given back untouched: a graceful stop, or a worker that cannot run this kind after all."""

    reason: str = "given back"


class Lost(msgspec.Struct, frozen=True):
    """The worker died or its lease ran out; `charged` when the attempt had started and so counts."""

    charged: bool
    reason: str = "worker lost"


class Handed(msgspec.Struct, frozen=True):
    """Handed over to somebody else: a person (`ASSIGNED`) or an external system (`WAITING`)."""

    to_person: bool
    assignee_type: str | None = None
    assignee_id: str | None = None
    correlation_id: str | None = None
    due_at: int | None = None
    wake_at: int | None = None
    sheet: bytes | None = None
    urgency: int | None = None
    reason: str | None = None


Report = Done | Failed | Postponed | Released | Handed
"""What an executor may report."""

Result = Completed | Failed | Postponed | Released | Lost | Handed

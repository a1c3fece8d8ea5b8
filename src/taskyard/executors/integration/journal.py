"""The journal of calls: a line for each in the task's log, and the bodies where the connection asks for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec

from taskyard.contracts.integration import Accepted, Answer, OperationFailed
from taskyard.domain.mask import Mask
from taskyard.domain.text import printable

_LONGEST_BODY = 4096


class Entry:
    """One call: over which connection, whereto, the how-manieth try of its task, in which trace."""

    def __init__(self, connection_id: str, tries: int, traceparent: str) -> None:
        self.connection_id = connection_id
        self.tries = tries
        self.trace = traceparent.split("-")[1] if traceparent.count("-") == 3 else ""
        self.target = ""
        self.body: Any = None
        self.mask = Mask(())
        self._began = time.perf_counter()

    def begin(self, target: str, body: Any) -> None:
        """The call is made now."""
        self.target, self.body = target, body

    def line(self, status: str, answer: Answer | None) -> str:
        """The line, in the form `name=value`."""
        fields = {
            "connection": self.connection_id,
            "target": f'"{self.target}"',
            "status": status,
            "ms": f"{(time.perf_counter() - self._began) * 1000:.0f}",
            "out": answer.bytes_out if answer else 0,
            "in": answer.bytes_in if answer else 0,
            "try": self.tries,
            "trace": self.trace or "-",
        }
        return "call " + " ".join(f"{name}={value}" for name, value in fields.items())


def write(
    entry: Entry, answer: Answer | Accepted | None, failure: BaseException | None, log: Callable[[str, str], None], *,
    bodies: bool,
) -> None:  # fmt: skip
    """Write the call down; `bodies`: with what went and came."""
    answered = answer if isinstance(answer, Answer) else None
    status = _status(answer, failure)

    def say(level: str, text: str) -> None:
        log(level, printable(entry.mask.said(text)))

    say("info" if failure is None else "warning", entry.line(status, answered))
    if bodies:
        say("info", f"sent {_shown(entry.body, entry.mask)}")
        came = answered.output if answered else failure.output if isinstance(failure, OperationFailed) else None
        say("info", f"received {_shown(came, entry.mask)}")


def _status(answer: Answer | Accepted | None, failure: BaseException | None) -> str:
    if isinstance(answer, Answer):
        return str(answer.status)
    if isinstance(answer, Accepted):
        return "accepted"
    if isinstance(failure, asyncio.CancelledError):
        return "cancelled"
    return str(getattr(failure, "status", "") or getattr(failure, "reason", "") or "failed")


def _shown(body: Any, mask: Mask) -> str:
    """The body as JSON; masked before, for a secret may read otherwise afterwards."""
    text = msgspec.json.encode(mask.value(body)).decode()
    return text if len(text) <= _LONGEST_BODY else f"{text[:_LONGEST_BODY]}…"

"""The connection type: how calls to one sort of external system are made, whatever asks for them.

A type is made once a process, as `Type(house)`, by the table in `executors/integration/types.py` or by an entry point
`taskyard.connection_types`; `taskyard.testing.conformance.connection` holds it to this contract. It knows nothing of
tasks, queues, retries, breakers, mappings or stores: whoever calls it sees to these. It repeats no call by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from taskyard.domain.upload import UploadedFile
from taskyard.errors import CallFailed

JsonSchema = Mapping[str, Any]
"""A JSON Schema (2020-12) of a closed object; forms are made from it."""


class Shared(Protocol):
    """What the links of one connection keep for each other on all machines, sealed; gone with the connection."""

    async def get(self) -> tuple[int, bytes | None]:
        """Its version, and what it is; 0 and None where that is nothing. Raises ConfigurationError for what no key here
        opens.
        """

    async def put(self, version: int, content: bytes) -> bool:
        """Keep this in place of that version, as the next one; False where another has been faster, and where there is
        no such connection.
        """

    async def now(self) -> float:
        """Seconds since the epoch, by a clock that all machines share."""


class OpenConnection(NamedTuple):
    """A connection with its secrets, for as long as its link is open. `revision` grows with every change of it.

    `settings` and `secrets` fit the type's schemas; secrets are values, whatever they were referred to by.
    `conceal` is told of further values that nobody may read, such as tokens got by the secrets: what is logged or
    told of calls goes without them. `shared` None: its links know nothing of each other.
    """

    connection_id: str
    revision: int
    settings: Mapping[str, Any]
    secrets: Mapping[str, Any]
    conceal: Callable[[str], None] = lambda _: None
    shared: Shared | None = None

    def __repr__(self) -> str:
        return f"OpenConnection({self.connection_id!r}, revision={self.revision})"


class Files(Protocol):
    """The files of one call."""

    @property
    def folder(self) -> Path:
        """A folder of this call alone, which is removed after it."""

    async def read(self, upload_id: str) -> UploadedFile:
        """An uploaded file of the task's input, its `path` readable here. Raises ValidationFailed where there is none,
        or where it is not the task's to use.
        """

    async def keep(self, path: Path, name: str) -> dict[str, Any]:
        """Keep a file of `folder` as a result; what stands for it in an output:
        `{"uploadId", "name", "size", "sha256"}`. Raises CallFailed for one that is too large to be kept.
        """


class Call(NamedTuple):
    """One call. `operation` fits the type's schema; `body` is what is sent: the input, as the definition maps it.

    `input` is the task's own, for parameters. `deadline`: the seconds that are left for all of it.
    `key` is the same for all attempts of a task: the idempotency key where the other side knows one.
    `traceparent` (W3C Trace Context), empty for none. `progress(current, total)` says how far the call is.
    """

    operation: Mapping[str, Any]
    body: Any
    input: Any
    deadline: float
    key: str
    files: Files
    progress: Callable[[float, float | None], None]
    traceparent: str = ""


class Answer(NamedTuple):
    """What the other side said. `output` and `details` (headers, counts, an acknowledgement) are JSON values.

    `status` as the other side's protocol has it, such as 200. Bytes as they went over the wire, about.
    """

    status: int | str
    output: Any
    details: Mapping[str, Any] = {}
    bytes_out: int = 0
    bytes_in: int = 0


class Accepted(NamedTuple):
    """The other side will answer later, with `integration.response_received`; `within` seconds, None: at any time."""

    correlation_id: str | None = None
    within: float | None = None


class OperationFailed(CallFailed):
    """The other side has refused or failed. `message` is one line that says what to do, without secrets.

    `error_code`: INTEGRATION_ERROR, VALIDATION_ERROR, TIMEOUT or a business code of the other side's.
    `retryable`: the same call may succeed later, after `retry_after` seconds if they are given.
    `burns`: a retry is spent on it; not on one that was merely asked to come back (429 or 503 with Retry-After).
    `counts`: the breaker takes it for a failure of the other side; by default as `retryable` says.
    `status`, `output` and `details` are what the error expression sees, as of an `Answer`.
    """

    def __init__(
        self,
        message: str,
        *,
        error_code: str = "INTEGRATION_ERROR",
        reason: str = "refused",
        retryable: bool = True,
        retry_after: float | None = None,
        burns: bool = True,
        counts: bool | None = None,
        status: int | str = "",
        output: Any = None,
        details: Any = None,
    ) -> None:
        super().__init__(message, reason=reason, retryable=retryable, details=details, retry_after=retry_after)
        self.error_code = error_code
        self.burns = burns
        self.counts = retryable if counts is None else counts
        self.status = status
        self.output = output


class Link(Protocol):
    """An open way to one connection's system: a client, a pool. One a revision and process; calls come at once.

    Calls and tests raise OperationFailed or CallFailed, ValidationFailed for a body that cannot be sent, and
    EgressRefused; `asyncio.CancelledError` passes, with whatever was under way let go of.
    """

    def target(self, call: Call) -> str:
        """What the call reaches, in a line for the journal: `GET https://host/path`, `INSERT on billing`. No secrets
        and no values of the input.
        """

    async def call(self, call: Call) -> Answer | Accepted:
        """Make the call."""

    async def test(self) -> None:
        """See whether the other side is there and lets us in: cheap, and changing nothing."""

    async def close(self) -> None:
        """Let go of everything; calls have ended."""


class ConnectionType(Protocol):
    """One sort of external system."""

    @property
    def name(self) -> str:
        """What a connection's `type` calls it, such as `rest`."""

    @property
    def settings(self) -> JsonSchema:
        """Of a connection's `settings`."""

    @property
    def secrets(self) -> JsonSchema:
        """Of a connection's `secrets`, each value a text."""

    @property
    def operation(self) -> JsonSchema:
        """Of a definition's `implementation.operation`."""

    async def open(self, connection: OpenConnection) -> Link:
        """A link; the first call may be what connects. Raises ValidationFailed for settings that cannot work."""


@runtime_checkable
class Lender(Protocol):
    """A type whose secrets may be spent by their use, such as refresh tokens: nobody else may have these."""

    def spends(self, settings: Mapping[str, Any]) -> bool:
        """Whether those of a connection with these settings are."""

    async def lend(self, link: Link) -> dict[str, str]:
        """What such a connection's calls are made with instead, for a while. Raises OperationFailed, CallFailed."""


class ConnectionTypes(Protocol):
    """The types there are."""

    @property
    def names(self) -> Sequence[str]:
        """What there is, sorted."""

    def get(self, name: str) -> ConnectionType:
        """The type. Raises NotFound for one that is not known, ConfigurationError for one that cannot be loaded."""

"""The far side of a transfer, whatever its protocol, and how it fails."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple, Protocol

from taskyard.contracts.integration import OperationFailed
from taskyard.errors import ValidationFailed
from taskyard.executors.integration.files.faults import exists
from taskyard.executors.integration.files.near import Source
from taskyard.executors.integration.shape import single_name

PIECE: Final = 4 << 20
"""Bytes that go to a far side at once. What a broken upload has left is trusted up to its last whole piece: protocols
that send ahead may leave holes in it.
"""


class Facts(NamedTuple):
    """What is known of a file or folder; `modified` in seconds since the epoch, `mark` changes with its content."""

    name: str
    kind: Literal["file", "folder", "link", "other"]
    size: int | None = None
    modified: float | None = None
    mark: str = ""

    def told(self) -> dict[str, Any]:
        """As an output has it."""
        at = None if self.modified is None else datetime.fromtimestamp(self.modified, UTC)
        told = {"name": self.name, "type": self.kind, "size": self.size}
        return told | {"modifiedAt": None if at is None else at.isoformat(timespec="milliseconds")}


class Far(Protocol):
    """One call's way to it. Paths are whole, as `below` makes them. What fails raises OperationFailed or CallFailed."""

    async def facts(self, path: str) -> Facts | None:
        """What is there; None for nothing."""

    def entries(self, path: str) -> AsyncGenerator[Facts, None]:
        """What is in a folder."""

    def read(self, path: str, offset: int, facts: Facts) -> AsyncGenerator[bytes, None]:
        """The file's bytes from there on, as long as it is what `facts` say."""

    async def upload(self, path: str, source: Source, draft: str, *, replace: bool, resume: bool) -> int:
        """Put the source there, which appears whole or not at all; how many bytes of it had come before.

        `draft` is a name that is the same for all attempts at this upload, and for no other.
        """

    async def move(self, path: str, to: str, *, replace: bool) -> None:
        """Give a file another path."""

    async def delete(self, path: str) -> None:
        """Delete a file, or an empty folder."""


class Host(Protocol):
    """The system that a link leads to."""

    label: str
    """What the journal calls it."""

    def session(self) -> AbstractAsyncContextManager[Far]:
        """A way to it for one call."""

    async def close(self) -> None:
        """Let go of it."""


class DraftingFar(ABC):
    """A far side that is written piece by piece: what is uploaded gets its name when it is whole."""

    @abstractmethod
    async def facts(self, path: str) -> Facts | None:
        """See `Far`."""

    @abstractmethod
    async def write(self, path: str, offset: int, source: Source) -> None:
        """Write the source from there on to the file, which is made if there is none. At 0 what is there is dropped."""

    @abstractmethod
    async def move(self, path: str, to: str, *, replace: bool) -> None:
        """See `Far`."""

    @abstractmethod
    async def delete(self, path: str) -> None:
        """See `Far`."""

    async def upload(self, path: str, source: Source, draft: str, *, replace: bool, resume: bool) -> int:
        """See `Far`."""
        folder, slash, _ = path.rpartition("/")
        beside = f"{folder}{slash}.{draft}.partial"
        if not replace and await self.facts(path) is not None:
            raise exists(path)
        left = await self.facts(beside) if resume else None
        size = left.size if left is not None and left.size else 0
        offset = (size - 1) // PIECE * PIECE if 0 < size <= source.size else 0
        await self.write(beside, offset, source)
        found = await self.facts(beside)
        if found is None or found.size != source.size:
            await self.delete(beside)
            raise OperationFailed(f"{path} did not arrive whole; the same call may succeed later", reason="broken")
        await self.move(beside, path, replace=replace)
        return offset


def below(folder: str, path: str) -> str:
    """The path on the far side. Raises ValidationFailed for one that would lead out of the folder."""
    parts = path.strip("/").split("/") if path.strip("/") else []
    if not all(part and single_name(part) for part in parts):
        raise ValidationFailed(f"operation: {path[:200]!r} is no path below the folder; leave out . and .. and \\")
    if not folder:
        return path.rstrip("/") or path
    return "/".join((folder.rstrip("/"), *parts))


def checked(name: str, path: str) -> str:
    """A name that the far side has told. Raises OperationFailed for one that leads elsewhere."""
    if not name or not single_name(name):
        raise OperationFailed(
            f"the other side names a file {name[:200]!r} in {path!r}, which leads elsewhere; nothing of it is taken",
            reason="name",
            retryable=False,
        )
    return name

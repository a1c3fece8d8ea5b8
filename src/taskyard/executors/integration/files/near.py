"""This machine's side of a transfer: files are read and written in threads, in pieces, and summed on the way.

While one piece is on its way, a thread reads the next or writes the one before.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Protocol, TypeVar

from taskyard.contracts.integration import OperationFailed
from taskyard.errors import ValidationFailed
from taskyard.executors.integration.disk import telling_disk
from taskyard.executors.integration.files.faults import telling
from taskyard.security import folders
from taskyard.security.folders import Place

T = TypeVar("T")
Progress = Callable[[float, float | None], None]

_STEP: Final = 1 << 20


async def _at_rest(running: asyncio.Future[T]) -> None:
    """Wait for a thread whose result nobody wants any more."""
    await asyncio.wait([running])
    if not running.cancelled():
        running.exception()


async def in_thread(work: Callable[[], T]) -> T:
    """The result of short work, which is waited for also by who is cancelled."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await _at_rest(running)
        raise


class Source:
    """What is uploaded. `mark` is the content's own, or what changes with it; `sha256` is known in the end."""

    def __init__(self, file: BinaryIO, progress: Progress, mark: str = "") -> None:
        facts = os.fstat(file.fileno())
        self.size = facts.st_size
        self.sha256 = ""
        self._state = _state(facts)
        self.mark = mark or self._state
        self._file = file
        self._progress = progress

    async def digest(self) -> str:
        """Its SHA-256, while nothing is being sent."""

        def sum_up() -> str:
            digest = hashlib.sha256()
            self._file.seek(0)
            while piece := self._file.read(_STEP):
                digest.update(piece)
            self._file.seek(0)
            return digest.hexdigest()

        with telling_disk():
            self.sha256 = await in_thread(sum_up)
        return self.sha256

    async def pieces(self, offset: int, size: int) -> AsyncGenerator[bytes, None]:
        """Its bytes from there on, in pieces of that size; those before are only summed. Once, and to be closed: while
        a piece is used, the next is read.
        """
        digest = hashlib.sha256()

        def following() -> bytes:
            at = self._file.tell()
            most = offset - at if at < offset else self.size - at
            piece = self._file.read(min(size, most))
            digest.update(piece)
            return piece

        done = 0
        reading = asyncio.ensure_future(asyncio.to_thread(following))
        try:
            while True:
                with telling_disk():
                    piece = await asyncio.shield(reading)
                if not piece:
                    break
                reading = asyncio.ensure_future(asyncio.to_thread(following))
                done += len(piece)
                if done > offset:
                    yield piece
                self._progress(done, self.size)
        finally:
            await _at_rest(reading)
        if done != self.size or _state(os.fstat(self._file.fileno())) != self._state:
            raise OperationFailed("the file has changed while it was sent; try again", reason="changed", counts=False)
        self.sha256 = digest.hexdigest()

    async def close(self) -> None:
        """Let go of the file."""
        await in_thread(self._file.close)


def _state(facts: os.stat_result) -> str:
    return f"{facts.st_size}-{facts.st_mtime_ns}"


class Landing(Protocol):
    """Where a download is written: a file that stays a draft until all has come."""

    def __enter__(self) -> BinaryIO:
        """Open it, at the end of what has come before."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Close it: whole, when there was no error."""


class Target:
    """What is downloaded, written as it comes; `resume`: after what has come before. `folder` is where its disk is."""

    def __init__(
        self, landing: Landing, label: str, folder: str | Path, size: int | None, progress: Progress, *, resume: bool
    ) -> None:
        self._landing, self._label, self._resume = landing, label, resume
        self._folder, self._size, self._progress = folder, size, progress
        self._digest = hashlib.sha256()
        self._held: list[bytes] = []
        self._holding = 0
        self._writing: asyncio.Future[None] | None = None
        self._given = 0
        self.done = 0
        self.resumed = 0

    @property
    def sha256(self) -> str:
        """Of all that has been written."""
        return self._digest.hexdigest()

    async def __aenter__(self) -> Target:
        with telling(self._label):
            self.resumed = self.done = self._given = await in_thread(self._open)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._writing is not None:
                await _at_rest(self._writing)
        finally:
            with telling(self._label):
                await in_thread(lambda: self._landing.__exit__(kind, error, trace))

    @property
    def come(self) -> int:
        """How many bytes there are with those that are still to be written."""
        return self._given + self._holding

    async def write(self, piece: bytes) -> None:
        """The next bytes; they may be written later."""
        self._held.append(piece)
        self._holding += len(piece)
        if self._size is not None and self.come > self._size:
            raise OperationFailed("the other side sends more than it has announced", reason="too-large")
        if self._holding >= _STEP:
            await self._hand_over()

    async def flush(self) -> None:
        """Until all is written."""
        await self._hand_over()
        await self._written()

    async def _hand_over(self) -> None:
        """Have a thread write what is held back, once it has written what it was given before."""
        await self._written()
        content, self._held, self._holding = b"".join(self._held), [], 0
        self._given += len(content)
        self._writing = asyncio.ensure_future(asyncio.to_thread(self._write, content))

    async def _written(self) -> None:
        if self._writing is not None:
            with telling(self._label):
                await asyncio.shield(self._writing)
            self.done = self._given
            self._progress(self.done, self._size)

    async def drop(self) -> None:
        """Forget what has come, so that no later attempt goes on with it."""
        with telling(self._label):
            await in_thread(lambda: self._file.truncate(0))

    def _open(self) -> int:
        self._file = self._landing.__enter__()
        try:
            done = self._sum()
            self._room(done)
        except BaseException as error:
            self._landing.__exit__(type(error), error, None)
            raise
        return done

    def _sum(self) -> int:
        found = os.fstat(self._file.fileno()).st_size
        if not self._resume or (self._size is not None and found > self._size):
            self._file.truncate(0)
        self._file.seek(0)
        while piece := self._file.read(_STEP):
            self._digest.update(piece)
        return self._file.tell()

    def _room(self, done: int) -> None:
        stats = os.statvfs(self._folder)
        free = stats.f_bavail * stats.f_frsize
        if self._size is not None and self._size - done > free:
            raise OSError(errno.ENOSPC, f"{self._size - done} bytes are to come, and {free} are free")

    def _write(self, content: bytes) -> None:
        self._digest.update(content)
        self._file.write(content)


class InFolder:
    """A file of one call's own folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> BinaryIO:
        self._file = self._path.open("w+b")
        return self._file

    def __exit__(self, *_: object) -> None:
        self._file.close()


def permitted(path: str, roots: tuple[Path, ...]) -> Place:
    """A path of this machine, below a folder that the operator permits. Raises ValidationFailed."""
    whole = Path(path)
    if whole.is_absolute() and str(whole) == path and ".." not in whole.parts and path.isprintable():
        for root in roots:
            if whole.is_relative_to(root):
                return Place(str(root), whole.relative_to(root).parts)
    raise ValidationFailed(
        f"{path[:200]!r} is not below a folder that file transfers may reach; an operator can allow one in"
        " TASKYARD_FILE_FOLDERS"
    )


def open_place(place: Place) -> BinaryIO:
    """The file, open for reading. Raises ValidationFailed for one that cannot be read."""
    try:
        return folders.reading(place)
    except OSError as error:
        raise ValidationFailed(f"{place} cannot be read: {error.strerror or error}") from None

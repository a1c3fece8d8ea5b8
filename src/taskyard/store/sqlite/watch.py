"""Noticing what other processes commit to the file.

On Linux the kernel tells when the write-ahead log is written (inotify(7)), so an idle process does nothing;
elsewhere the file's change counter is asked for now and then.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import sys
from collections.abc import AsyncIterator, Iterator

from taskyard.errors import Overloaded
from taskyard.store.sqlite.database import Database

_IN_MODIFY = 2
_BUFFER = 65_536
_POLL = 0.02
# The log is written before the commit can be seen: look soon after, and a few times again.
_LOOKS = (0.001, 0.002, 0.004, 0.008, 0.016)


async def commits(database: Database) -> AsyncIterator[None]:
    """Something for each time that others may have committed to the file."""
    seen = await _version(database)
    async for _ in _stirrings(f"{database.path}-wal"):
        for pause in _LOOKS:
            await asyncio.sleep(pause)
            version = await _version(database)
            if version is None or version != seen:
                seen = version
                yield
                break


async def _version(database: Database) -> int | None:
    """None where it cannot be told."""
    try:
        return await database.others_version()
    except Overloaded:
        return None


async def _stirrings(log: str) -> AsyncIterator[None]:
    """Something for each time the log may have been written to."""
    with _inotify(log) as descriptor:
        if descriptor is None:
            while True:
                await asyncio.sleep(_POLL)
                yield
        loop = asyncio.get_running_loop()
        stirred = asyncio.Event()

        def drain() -> None:
            with contextlib.suppress(BlockingIOError):
                os.read(descriptor, _BUFFER)
            stirred.set()

        loop.add_reader(descriptor, drain)
        try:
            while True:
                await stirred.wait()
                stirred.clear()
                yield
        finally:
            loop.remove_reader(descriptor)


@contextlib.contextmanager
def _inotify(log: str) -> Iterator[int | None]:
    """A descriptor that is readable when the log has been written to; None where the kernel has no such thing."""
    if not sys.platform.startswith("linux"):
        yield None
        return
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if descriptor < 0:
        yield None
        return
    try:
        watched = libc.inotify_add_watch(descriptor, os.fsencode(log), _IN_MODIFY) >= 0
        yield descriptor if watched else None
    finally:
        os.close(descriptor)

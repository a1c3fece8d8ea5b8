"""The protocol's lines on stdin and stdout."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator

_CHUNK = 1 << 16


def write_line(line: str) -> None:
    """Write one message."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def read_lines() -> AsyncIterator[bytes]:
    """The lines of stdin, which may be a pipe, a file or a terminal, until it ends.

    They are read on a thread that nobody waits for, so that the program can stop while nothing comes.
    """
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes] = asyncio.Queue()

    def read() -> None:
        while True:
            chunk = os.read(sys.stdin.fileno(), _CHUNK)
            if loop.is_closed():
                return
            loop.call_soon_threadsafe(chunks.put_nowait, chunk)
            if not chunk:
                return

    threading.Thread(target=read, name="taskyard-stdin", daemon=True).start()
    rest = b""
    while chunk := await chunks.get():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line
    if rest:
        yield rest

"""Programs that are run beside us: without a shell, with an empty environment, and never longer than we wait."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

_PLAIN = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
_PIECE = 1 << 16
_LOOK_SOONEST, _LOOK_LATEST = 0.001, 0.02


class Ended(NamedTuple):
    """How a program ended; `exit_code` is negative where a signal ended it. `cut`: it said more than was kept."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    cut: bool


async def run_program(arguments: Sequence[str], given: bytes, most_bytes: int) -> Ended:
    """Run a program in a fresh folder; it and all it starts are killed when we are cancelled, or when it ends.

    Of what it says `most_bytes` of each stream are kept. Raises OSError when it cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="taskyard-run-", ignore_cleanup_errors=True) as folder:
        process = await asyncio.create_subprocess_exec(
            *arguments, cwd=folder, env={**_PLAIN, "HOME": folder, "TMPDIR": folder}, start_new_session=True,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            assert process.stdin and process.stdout  # noqa: S101, PT018 - as asked for above
            assert process.stderr  # noqa: S101 - as asked for above
            (out, cut), (err, _), _, code = await asyncio.gather(
                _kept(process.stdout, most_bytes), _kept(process.stderr, most_bytes),
                _feed(process.stdin, given), _ended(process),
            )  # fmt: skip
        finally:
            _kill(process.pid)
            await process.wait()
        return Ended(code, out, err, cut)


async def _ended(process: asyncio.subprocess.Process) -> int:
    """Its exit code. Its `wait` would also wait for whatever it left behind to close the streams."""
    pause = _LOOK_SOONEST
    while process.returncode is None:
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LOOK_LATEST)
    _kill(process.pid)
    return process.returncode


async def _kept(stream: asyncio.StreamReader, most: int) -> tuple[bytes, bool]:
    """The beginning of what is said; the rest is read and dropped, so that nobody blocks."""
    kept, cut = bytearray(), False
    while piece := await stream.read(_PIECE):
        cut = cut or len(kept) + len(piece) > most
        kept += piece[: most - len(kept)]
    return bytes(kept), cut


async def _feed(stream: asyncio.StreamWriter, given: bytes) -> None:
    with suppress(ConnectionError):
        stream.write(given)
        await stream.drain()
        stream.close()
        await stream.wait_closed()


def _kill(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)

"""Finding the strongest tier that holds: by letting canaries out in it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import secrets
import socket
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from taskyard.contracts.target import Call, Standing
from taskyard.domain.isolation import BUBBLEWRAP, EMULATED, TIERS
from taskyard.domain.outcome import Done, Failed, Report
from taskyard.domain.resources import Resources
from taskyard.executors.script.sandbox.canaries import Bait, canary
from taskyard.executors.script.sandbox.engines import EMULATING, Missing, find_engine
from taskyard.executors.script.sandbox.folders import Folders
from taskyard.executors.script.sandbox.jail import Engine, Means
from taskyard.executors.script.sandbox.tiers import Shape, lacks

_SECONDS = 10.0
_LANDLOCK_CREATE, _ASK_VERSION = 444, 1

RunIn = Callable[[Shape, Call, float], Awaitable[Report]]


class Place(NamedTuple):
    """Where one kind runs: `engine` None where it cannot. `undecided`: a tier was tried and could not answer, for want
    of time or means; whether it holds, and with it whether a weaker one is needed, will show.
    """

    standing: Standing
    engine: Engine | None = None
    undecided: bool = False


async def examine(kind: str, means: Means, allowed: tuple[str, ...], folders: Folders, run: RunIn) -> Place:
    """The strongest of the `allowed` tiers in which no canary of this kind gets out."""
    missing: list[Missing] = []
    for tier in (*TIERS, EMULATED) if kind in EMULATING else TIERS:
        if tier not in (*allowed, EMULATED):
            missing.append(Missing(f"{tier} is switched off", "name it in TASKYARD_SANDBOX_TIERS"))
            continue
        lack = lacks(tier, means, landlock_version())
        found = lack if lack is not None else await asyncio.to_thread(find_engine, kind, folders)
        if isinstance(found, Missing):
            missing.append(found)
            continue
        reason, late = await escapes(kind, Shape(tier, found, Resources()), run)
        if not reason:
            return Place(Standing(kind, tier), found)
        if late:
            missing.append(Missing(f"{tier} could not be tried: {reason}", "wait: it is tried again soon"))
            return _nowhere(kind, missing, undecided=True)
        missing.append(Missing(f"{tier} does not hold: {reason}", f"see why with `taskyard doctor`; {lack_mend(tier)}"))
    return _nowhere(kind, missing)


def _nowhere(kind: str, missing: Sequence[Missing], *, undecided: bool = False) -> Place:
    what, mend = "; ".join(each.what for each in missing), "; or ".join(each.mend for each in missing)
    return Place(Standing(kind, "", what, mend), undecided=undecided)


def lack_mend(tier: str) -> str:
    """What to do where a tier is there and does not hold."""
    if tier == BUBBLEWRAP:
        return "let users make namespaces (in a container: seccomp and system paths unconfined)"
    return "use a kernel with Landlock and seccomp, and let the container's profile pass them"


def landlock_version() -> int:
    """The kernel's Landlock ABI; 0 where there is none, or a container's profile forbids it."""
    libc = ctypes.CDLL(None, use_errno=True)
    asked = libc.syscall(ctypes.c_long(_LANDLOCK_CREATE), None, ctypes.c_size_t(0), ctypes.c_uint32(_ASK_VERSION))
    return max(0, int(asked))


async def escapes(kind: str, shape: Shape, run: RunIn, harmless: frozenset[str] = frozenset()) -> tuple[str, bool]:
    """What a canary could do in jails of this shape, empty when nothing that is not `harmless` there; and whether it
    only wanted time or means.
    """
    with _bait() as (bait, accepted):
        call = Call(
            "0", 1, "canary", "canary", "canary", {"kind": kind, "source": canary(kind, bait)}, b"{}", _SECONDS,
            shape.resources,
        )  # fmt: skip
        report = await run(shape, call, _SECONDS)
        if isinstance(report, Failed):
            return report.error.message, report.error.code == "TIMEOUT" or report.error.retryable is True
        if not isinstance(report, Done):
            return "it did not run", False
        did = [each for each in report.value or () if each not in harmless]
        if did or accepted():
            return f"a program in it could {', '.join(map(str, did or ['connect']))}", False
    return "", False


@contextlib.contextmanager
def _bait() -> Iterator[tuple[Bait, Callable[[], bool]]]:
    """What a canary tries to reach, and whether anybody came by the network."""
    variable = "TASKYARD_CANARY_" + secrets.token_hex(4).upper()
    with tempfile.TemporaryDirectory(prefix="taskyard-canary-") as folder, socket.socket() as listener:
        Path(folder).chmod(0o755)
        file = Path(folder) / "canary"
        file.write_text(secrets.token_hex())
        file.chmod(0o666)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)

        def accepted() -> bool:
            try:
                listener.accept()[0].close()
            except BlockingIOError:
                return False
            return True

        os.environ[variable] = "canary"
        try:
            yield Bait(str(file), listener.getsockname()[1], variable), accepted
        finally:
            del os.environ[variable]

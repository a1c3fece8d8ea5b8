"""`python-lite`: a subset of Python on an interpreter of its own, Monty. Very fast, and nothing but computing.

It has no files, network, environment or processes to give away; its workers run apart from us, confined where Landlock
can be had, and are used again. That is the tier `emulated`: a fault of the interpreter is all that stands between.
<https://github.com/pydantic/monty>
"""

from __future__ import annotations

import asyncio
import math
import os
import shlex
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from taskyard.contracts.target import Call, Observer, Standing
from taskyard.domain.isolation import EMULATED, LEVEL_OF, is_enough, strictest
from taskyard.domain.outcome import Failed, Report, TaskError
from taskyard.executors.script.lite_attempt import Attempt
from taskyard.executors.script.sandbox.engines import confining_python
from taskyard.executors.script.sandbox.examine import landlock_version
from taskyard.executors.script.sandbox.folders import Folders
from taskyard.executors.script.sandbox.jail import INSIDE, libraries
from taskyard.executors.script.sandbox.seccomp import Allowed, seccomp_filter

if TYPE_CHECKING:
    from pydantic_monty import Monty

KIND = "python-lite"
_MEND = "install taskyard[sandbox]"
_UID = 61_183


class _Opened(NamedTuple):
    """Monty's workers, and a thread for each."""

    pool: Monty
    threads: ThreadPoolExecutor


class Lite:
    """The target of `python-lite`; at most `workers` programs run at once."""

    name = "lite"
    kinds = frozenset({KIND})

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._folders = Folders(for_others=os.geteuid() == 0)
        self._opening: asyncio.Task[_Opened] | None = None

    async def run(self, call: Call, observer: Observer) -> Report:
        """See the contract."""
        wanted = strictest((call.implementation.get("isolation") or "LOW", call.security_level))
        if not is_enough(EMULATED, wanted):
            message = f"isolation {wanted} is asked for, and {KIND} gives only {LEVEL_OF[EMULATED]}; use kind python"
            return Failed(TaskError("SANDBOX_UNAVAILABLE", message))
        if call.files or any(call.implementation.get(name) for name in ("env", "network")):
            message = f"{KIND} has no files, no environment and no network; use kind python"
            return Failed(TaskError("SANDBOX_UNAVAILABLE", message))
        try:
            opened = await self._open()
        except (ImportError, OSError) as error:
            return Failed(TaskError("SANDBOX_UNAVAILABLE", f"{KIND} cannot run here: {error}; {_MEND}"))
        observer.placed(EMULATED)
        try:
            async with asyncio.timeout(None if math.isinf(call.wall) else call.wall):
                return await Attempt(call, observer).run(opened.pool, opened.threads)
        except TimeoutError:
            return Failed(TaskError("TIMEOUT", f"the program took longer than its {call.wall:g} s"))

    async def standings(self) -> list[Standing]:
        """See the contract."""
        try:
            await self._open()
        except (ImportError, OSError) as error:
            return [Standing(KIND, "", str(error), _MEND)]
        return [Standing(KIND, EMULATED)]

    async def start(self) -> None:
        """See the contract. Nothing is started before it is asked for."""

    async def stop(self) -> None:
        """See the contract."""
        if self._opening is not None:
            opened = (await asyncio.gather(self._opening, return_exceptions=True))[0]
            self._opening = None
            if not isinstance(opened, BaseException):
                await asyncio.to_thread(opened.pool.__exit__, None, None, None)
                await asyncio.to_thread(opened.threads.shutdown)
        await asyncio.to_thread(self._folders.close)

    async def _open(self) -> _Opened:
        if self._opening is None or (self._opening.done() and self._opening.exception() is not None):
            self._opening = asyncio.create_task(self._opened())
        return await asyncio.shield(self._opening)

    async def _opened(self) -> _Opened:
        from pydantic_monty import Monty

        binary = await asyncio.to_thread(self._confined)
        pool = await asyncio.to_thread(Monty(binary_path=binary, max_processes=self._workers).__enter__)
        return _Opened(pool, ThreadPoolExecutor(self._workers, thread_name_prefix="taskyard-lite"))

    def _confined(self) -> Path:
        """A program that confines itself and becomes Monty's worker; where there is no Landlock, the worker itself."""
        from pydantic_monty._binary import find_monty_binary

        found = Path(find_monty_binary()).resolve()
        if not landlock_version():
            return found
        is_root = os.geteuid() == 0
        worker = self._folders.publish(found)
        spec = {
            "limits": {"core": 0, "memlock": 0, "fsize": 0}, "uid": _UID if is_root else 0,
            "read": [*libraries(str(worker)), "/dev/urandom", "/usr/share/zoneinfo"], "write": ["/dev/null"],
            "folder": "/", "folders": (), "seccomp": seccomp_filter(Allowed(times=False, modes=False)), "forks": False,
            "lasts": True, "namespaces": False, "argv": [str(worker)],
        }  # fmt: skip
        script = self._folders.root / "worker"
        script.write_text(
            _SCRIPT.format(python=confining_python(), confine=INSIDE / "confine.py", spec=shlex.quote(repr(spec)))
        )
        script.chmod(stat.S_IRWXU)
        return script


_SCRIPT = """#!/bin/sh
exec nice -n 5 env -i LANG=C.UTF-8 {python} -I -S {confine} {spec} "$@"
"""

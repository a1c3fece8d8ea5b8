"""`python-lite`: a subset of Python on an interpreter of its own, Monty. Very fast, and nothing but computing.

It has no files, network, environment or processes to give away; its workers run apart from us, confined where Landlock
can be had, and are used again. That is the tier `emulated`: a fault of the interpreter is all that stands between.
<https://github.com/pydantic/monty>
"""

from __future__ import annotations

import asyncio
import base64
import math
import os
import re
import shlex
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taskyard.contracts.target import Call, Observer, Standing
from taskyard.domain.frame import LEVELS, LONGEST_TEXT
from taskyard.domain.isolation import EMULATED, LEVEL_OF, is_enough, strictest
from taskyard.domain.json import check, loads
from taskyard.domain.outcome import Done, Failed, Report, TaskError
from taskyard.domain.resources import Resources
from taskyard.errors import ValidationFailed
from taskyard.executors.script.sandbox.engines import confining_python
from taskyard.executors.script.sandbox.examine import landlock_version
from taskyard.executors.script.sandbox.folders import Folders
from taskyard.executors.script.sandbox.jail import INSIDE, libraries
from taskyard.executors.script.sandbox.seccomp import Allowed, seccomp_filter
from taskyard.executors.script.sandbox.text import Tail
from taskyard.executors.script.sandbox.verdict import Ending, over_limit

if TYPE_CHECKING:
    from pydantic_monty import AsyncMonty, MontyError

KIND = "python-lite"
_MEND = "install taskyard[sandbox]"
_UID = 61_183
_MIB = 1 << 20
_SUSPENSIONS = 1_000_000
_IS_ASYNC = re.compile(r"^async\s+def\s+main\b", re.MULTILINE)
_CONTEXT = """
class _Log:
    def __call__(self, level, text):
        _say(level, str(text))
    def debug(self, text):
        _say("debug", str(text))
    def info(self, text):
        _say("info", str(text))
    def warning(self, text):
        _say("warning", str(text))
    def error(self, text):
        _say("error", str(text))
class _Context:
    def __init__(self, task):
        self.task = task
        self.log = _Log()
    def progress(self, current, total=None, action=None):
        _step(current, total, action)
"""


class Lite:
    """The target of `python-lite`; at most `workers` programs run at once."""

    name = "lite"
    kinds = frozenset({KIND})

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._folders = Folders()
        self._opening: asyncio.Task[AsyncMonty] | None = None

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
            pool = await self._pool()
        except (ImportError, OSError) as error:
            return Failed(TaskError("SANDBOX_UNAVAILABLE", f"{KIND} cannot run here: {error}; {_MEND}"))
        observer.placed(EMULATED)
        wall = min(call.resources.wall_seconds or math.inf, call.timeout)
        try:
            async with asyncio.timeout(None if math.isinf(wall) else wall):
                return await _Attempt(call, observer).run(pool)
        except TimeoutError:
            return Failed(TaskError("TIMEOUT", f"the program took longer than its {wall:g} s"))

    async def standings(self) -> list[Standing]:
        """See the contract."""
        try:
            await self._pool()
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
                await opened.__aexit__(None, None, None)
        await asyncio.to_thread(self._folders.close)

    async def _pool(self) -> AsyncMonty:
        if self._opening is None or (self._opening.done() and self._opening.exception() is not None):
            self._opening = asyncio.create_task(self._open())
        return await asyncio.shield(self._opening)

    async def _open(self) -> AsyncMonty:
        from pydantic_monty import AsyncMonty

        binary = await asyncio.to_thread(self._confined)
        return await AsyncMonty(binary_path=binary, max_processes=self._workers).__aenter__()

    def _confined(self) -> Path:
        """A program that confines itself and becomes Monty's worker; where there is no Landlock, the worker itself."""
        from pydantic_monty._binary import find_monty_binary

        found = Path(find_monty_binary()).resolve()
        if not landlock_version():
            return found
        is_root = os.geteuid() == 0
        worker = self._folders.publish(found) if is_root else found
        spec = {
            "limits": {"core": 0, "memlock": 0, "fsize": 0}, "uid": _UID if is_root else 0,
            "read": [*libraries(str(worker)), "/dev/urandom", "/usr/share/zoneinfo"], "write": ["/dev/null"],
            "folder": "/", "seccomp": base64.b64encode(seccomp_filter(Allowed(times=False, modes=False))).decode(),
            "forks": False, "lasts": True, "runner": "", "argv": [str(worker)],
        }  # fmt: skip
        script = self._folders.root / "worker"
        script.write_text(
            _SCRIPT.format(python=confining_python(), confine=INSIDE / "confine.py", spec=shlex.quote(repr(spec)))
        )
        script.chmod(stat.S_IRWXU)
        return script


_SCRIPT = """#!/bin/sh
exec env -i LANG=C.UTF-8 {python} -I -S {confine} {spec} "$@"
"""


class _Attempt:
    """One program: what it says, held to its limit, and what comes of it."""

    def __init__(self, call: Call, observer: Observer) -> None:
        self._call = call
        self._observer = observer
        self._left = call.resources.output_bytes
        self._tail = Tail()

    async def run(self, pool: AsyncMonty) -> Report:
        from pydantic_monty import MontyError

        call, resources = self._call, self._call.resources
        source = call.implementation["source"]
        called = "await main" if _IS_ASYNC.search(source) else "main"
        task = {"id": call.task_id, "attempt": call.attempt, "definition": call.definition}
        try:
            async with pool.checkout(script_name="task.py", limits=_limits(resources)) as session:
                value = await session.feed_run(
                    f"{source}\n{_CONTEXT}\n{called}(input, _Context(_task))",
                    inputs={"input": loads(call.input), "_task": task},
                    external_lookup={"_say": self._say, "_step": self._step},
                    print_callback=self._print,
                )
            check(value)
        except ValidationFailed as error:
            return Failed(TaskError("OUTPUT_VALIDATION_ERROR", f"the result is not JSON: {error.message}"))
        except MontyError as error:
            return self._failed(error)
        return Done(value)

    def _say(self, level: Any, text: Any) -> None:
        self._spend(len(str(text)))
        self._tail.add(str(text)[:LONGEST_TEXT])
        self._observer.log(level if level in LEVELS else "info", str(text)[:LONGEST_TEXT])

    def _step(self, current: Any, total: Any = None, action: Any = None) -> None:
        numbers = [each for each in (current, total) if each is not None]
        if current is None or not all(isinstance(each, (int, float)) and math.isfinite(each) for each in numbers):
            raise ValueError("progress takes numbers")
        self._observer.progress(current, total, None if action is None else str(action)[:LONGEST_TEXT])

    def _print(self, stream: str, text: str) -> None:
        self._spend(len(text))
        for line in text.splitlines():
            self._tail.add(line)
            self._observer.log("info" if stream == "stdout" else "warning", line[:LONGEST_TEXT])

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise _TooMuch

    def _failed(self, error: MontyError) -> Failed:
        cause, tail = error.exception(), str(self._tail)
        limit = ""
        if self._left < 0:
            limit = "output"
        elif isinstance(cause, MemoryError):
            limit = "memory"
        elif isinstance(cause, TimeoutError) and "limit exceeded" in str(error):
            limit = "cpu"
        if limit:
            return over_limit(limit, self._call.resources, Ending(1, limit, 0.0, None, None, tail))
        no_main = isinstance(cause, NameError) and "'main'" in str(error)
        message = "the source defines no main(input, ctx)" if no_main else str(error)
        stack = getattr(error, "display", lambda: None)()
        return Failed(TaskError("EXECUTION_ERROR", message[:LONGEST_TEXT], {"lastOutput": tail} if tail else {}, stack))


class _TooMuch(Exception):
    """More output than it may give."""


def _limits(resources: Resources) -> Any:
    return {
        "max_feed_duration_secs": resources.cpu_seconds,
        "max_memory": resources.memory_mb * _MIB,
        "max_suspensions": _SUSPENSIONS,
    }

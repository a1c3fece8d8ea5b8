"""One program of `python-lite` at work: started, heard, held to its limits, and judged."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import re
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from taskyard.contracts.target import Call, Observer
from taskyard.domain.frame import LEVELS, LONGEST_TEXT
from taskyard.domain.json import loads
from taskyard.domain.outcome import Done, Failed, Report, TaskError
from taskyard.domain.resources import Resources
from taskyard.domain.text import printable
from taskyard.errors import TaskyardError
from taskyard.executors.script.sandbox.text import Tail
from taskyard.executors.script.sandbox.verdict import Ending, over_limit
from taskyard.executors.script.sandbox.watch import cpu_seconds, have_give_way

if TYPE_CHECKING:
    from pydantic_monty import Monty, MontyError

_MIB = 1 << 20
_SUSPENSIONS = 1_000_000
_LITTLE_SECONDS = 0.2
_LOOK_SECONDS = 0.2
_MOST = 2**63
_SLEEPS = ("time.sleep", "asyncio.sleep")
_NO_JSON = "!"
"""What no JSON begins with: the reason follows."""
_FRAME_BYTES = 32
"""What saying something takes of its output, however little is said."""

_IS_ASYNC = re.compile(r"^async\s+def\s+main\b", re.MULTILINE)
_MAIN = re.compile(r"^(?:async\s+)?def\s+main\s*\(\s*\w+\s*,\s*(\w+)\s*\)", re.MULTILINE)
_LOOKS = re.compile(r"\b(?:eval|exec|locals|vars|globals)\b")
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
        _step(current, total, None if action is None else str(action))
"""
_RESULT = f"""
from json import dumps as _dumps
try:
    _given = _dumps(_given, allow_nan=False)
except (TypeError, ValueError, RecursionError) as _error:
    _given = "{_NO_JSON}" + str(_error)
_given
"""


class Attempt:
    """One program: what it says, held to its limits, and what comes of it.

    It has a thread, for Monty's own asynchronous way takes more of the processor.
    """

    def __init__(self, call: Call, observer: Observer) -> None:
        self._call = call
        self._observer = observer
        self._left = call.resources.output_bytes
        self._tail = Tail()
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._worker: int | None = None
        self._used_before = 0.0
        self._limit = ""
        self._is_heavy = False

    async def run(self, pool: Monty, threads: ThreadPoolExecutor) -> Report:
        """Run it in one of these threads; who is cancelled leaves nothing that runs."""
        job = threads.submit(self._run, pool)
        self._look_later()
        try:
            return await asyncio.wrap_future(job)
        finally:
            self._looking.cancel()
            if not job.done() and not job.cancel():
                self._end()
                await asyncio.wait((asyncio.wrap_future(job),))

    def _look_later(self) -> None:
        self._looking = self._loop.call_later(_LOOK_SECONDS, self._look_now)

    def _look_now(self) -> None:
        self._loop.run_in_executor(None, self._look)
        self._look_later()

    def _run(self, pool: Monty) -> Report:
        from pydantic_monty import MontyError

        call = self._call
        task = {"id": call.task_id, "attempt": call.attempt, "definition": call.definition}
        try:
            with pool.checkout(
                script_name="task.py", limits=_limits(call.resources), os_policy={"sleep": "call_host"}
            ) as session:
                self._begun(session.worker_pid)
                try:
                    given = session.feed_run(
                        _program(call.implementation["source"]),
                        inputs={"input": loads(call.input), "_task": task},
                        external_lookup={"_say": self._say, "_step": self._step},
                        print_callback=self._print,
                        os=self._serve,
                    )
                finally:
                    self._ended()
        except MontyError as error:
            return self._failed(error)
        return self._gave(given)

    def _begun(self, worker: int | None) -> None:
        with self._lock:
            self._worker = worker
            self._used_before = 0.0 if worker is None else cpu_seconds(worker)
        if self._over.is_set():
            self._end()

    def _ended(self) -> None:
        """From now on the worker is another program's, unless it gives way to all."""
        if self._is_heavy:
            self._end()
        with self._lock:
            self._worker = None

    def _end(self) -> None:
        """End the worker; another takes its place."""
        self._over.set()
        with self._lock:
            worker, self._worker = self._worker, None
            if worker is not None:
                with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                    os.kill(worker, signal.SIGKILL)

    def _look(self) -> None:
        """Have the worker give way once its program has computed more than a little, and end it after too much.

        Monty's own limit is one of elapsed time, which passes for who waits for the processor too.
        """
        with self._lock:
            if self._worker is None:
                return
            used = cpu_seconds(self._worker) - self._used_before
            if used > _LITTLE_SECONDS and not self._is_heavy:
                self._is_heavy = True
                have_give_way(self._worker)
        if used > self._call.resources.cpu_seconds:
            self._limit = "cpu"
            self._end()

    def _serve(self, *, name: str, args: tuple[Any, ...], **_: Any) -> Any:
        """Of all that programs ask a system for, they may sleep, and no longer than they may run."""
        from pydantic_monty import NOT_HANDLED

        if name not in _SLEEPS:
            return NOT_HANDLED
        self._over.wait(args[0])
        return None

    def _say(self, level: Any, text: Any) -> None:
        if not isinstance(text, str):  # what holds itself twice over and over is endless as text
            raise TypeError("a log takes text")
        self._spend(len(text))
        self._log(level if level in LEVELS else "info", [text])

    def _print(self, stream: str, text: str) -> None:
        lines = text.splitlines()
        self._spend(len(text), len(lines))
        self._log("info" if stream == "stdout" else "warning", lines)

    def _log(self, level: str, lines: list[str]) -> None:
        def tell() -> None:
            for line in lines:
                self._observer.log(level, line[:LONGEST_TEXT])

        for line in lines:
            self._tail.add(line[:LONGEST_TEXT])
        self._loop.call_soon_threadsafe(tell)

    def _step(self, current: Any, total: Any = None, action: Any = None) -> None:
        if not _is_number(current) or not (total is None or _is_number(total)):
            raise ValueError("progress takes numbers")
        if not (action is None or isinstance(action, str)):
            raise TypeError("an action is text")
        told = None if action is None else printable(action[:LONGEST_TEXT])
        self._spend(len(told or ""))
        self._loop.call_soon_threadsafe(self._observer.progress, current, total, told)

    def _spend(self, size: int, times: int = 1) -> None:
        """Raises _TooMuch; the worker, which would go on until its time is up, is ended."""
        self._left -= size + times * _FRAME_BYTES
        if self._left < 0:
            self._limit = "output"
            self._end()
            raise _TooMuch

    def _gave(self, given: Any) -> Report:
        """What comes of a program that ended: its result as JSON, or why there is none."""
        if isinstance(given, str) and len(given) > self._left:
            return self._over_limit("output")
        why = "it is none"
        if isinstance(given, str) and not given.startswith(_NO_JSON):
            try:
                return Done(loads(given))
            except TaskyardError as error:
                why = error.message
        elif isinstance(given, str):
            why = printable(given[len(_NO_JSON) : LONGEST_TEXT])
        return Failed(TaskError("OUTPUT_VALIDATION_ERROR", f"the result is not JSON: {why}"))

    def _failed(self, error: MontyError) -> Failed:
        cause = error.exception()
        limit = self._limit or ("memory" if isinstance(cause, MemoryError) else "")
        if limit:
            return self._over_limit(limit)
        told, tail = printable(str(error)[:LONGEST_TEXT]), str(self._tail)
        if isinstance(cause, NameError) and "'main'" in told:
            told = "the source defines no main(input, ctx)"
        shown = getattr(error, "display", str)()
        stack = printable(shown[-LONGEST_TEXT:]) or None
        return Failed(TaskError("EXECUTION_ERROR", told, {"lastOutput": tail} if tail else {}, stack))

    def _over_limit(self, limit: str) -> Failed:
        return over_limit(limit, self._call.resources, Ending(1, limit, 0.0, None, None, str(self._tail)))


class _TooMuch(Exception):
    """More output than it may give."""


@functools.lru_cache(64)
def _program(source: str) -> str:
    """The source, and the call of its `main`, whose result becomes JSON within its limits."""
    called = "await main" if _IS_ASYNC.search(source) else "main"
    if _needs_context(source):
        return f"{source}\n{_CONTEXT}\n_given = {called}(input, _Context(_task))\n{_RESULT}"
    return f"{source}\n_given = {called}(input, None)\n{_RESULT}"


def _is_number(value: Any) -> bool:
    """Whether it is one that can be stored; NaN is not less."""
    return type(value) in (int, float) and abs(value) < _MOST


def _needs_context(source: str) -> bool:
    """Whether it may use its second argument, which costs a tiny program a third of its time."""
    main = _MAIN.search(source)
    if main is None or len(re.findall(r"\bmain\b", source)) > 1:  # which is its own cannot be told, as in a docstring
        return True
    return len(re.findall(rf"\b{main[1]}\b", source)) > 1 or _LOOKS.search(source) is not None


def _limits(resources: Resources) -> Any:
    return {
        "max_memory": resources.memory_mb * _MIB,
        "max_suspensions": _SUSPENSIONS,
    }

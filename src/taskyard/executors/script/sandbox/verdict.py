"""From how a jail ended to what is reported: decided purely."""

from __future__ import annotations

import signal
from typing import Any, NamedTuple

from taskyard.domain.frame import Broke, Gave, Plain
from taskyard.domain.outcome import Done, Failed, TaskError
from taskyard.domain.resources import Resources

_SIGNALS_FROM = 128
_SIGNALS = frozenset(signal.valid_signals())
_CPU_SLACK = 0.8  # the kernel counts a little more than it tells
_LIMIT_PREFIX = "LIMIT:"
_MEMORY_SIGNALS = frozenset({signal.SIGTRAP, signal.SIGABRT, signal.SIGILL, signal.SIGSEGV})
_WORDS = {
    "memory": ("cannot allocate", "memory exhausted", "out of memory", "memoryerror", "failed to allocate"),
    "disk": ("no space left on device", "file too large", "disk quota exceeded"),
    "processes": ("fork: resource temporarily unavailable", "fork: retry: resource temporarily unavailable"),
}
"""What programs say, in the language that jails speak, when the kernel refuses them more of it."""

_TOLD = {
    "cpu": "{0.cpu_seconds:g} s of CPU time",
    "memory": "{0.memory_mb} MiB of memory",
    "output": "{0.output_bytes} bytes of output",
    "disk": "{0.disk_mb} MiB of files",
    "processes": "{0.processes} processes",
}


class Ending(NamedTuple):
    """How a jail ended.

    `code`: as a shell tells it, 128 and more for signals. `killed_for`: which limit we ended it for, or `wall`.
    `cpu_seconds`: what it used. `last`: its last result or error. `refused`: its last frame that was none.
    `tail`: the last of what it printed. `stdout`: the first of its standard output, for shells.
    `aborts_when_full`: whether its engine ends by a signal when it is out of memory.
    """

    code: int
    killed_for: str
    cpu_seconds: float
    last: Gave | Broke | None
    refused: Plain | None
    tail: str
    stdout: str | None = None
    aborts_when_full: bool = False


def judge(ending: Ending, resources: Resources, wall_seconds: float) -> Done | Failed:
    """What is reported of it."""
    if ending.killed_for == "wall":
        return Failed(TaskError("TIMEOUT", f"the program took longer than its {wall_seconds:g} s", _last(ending)))
    limit = ending.killed_for or _limit_of(ending, resources)
    if limit:
        return over_limit(limit, resources, ending)
    if isinstance(ending.last, Broke):
        return _broke(ending.last, ending)
    if ending.refused is not None and '"result"' in ending.refused.text[:64]:
        return Failed(TaskError("OUTPUT_VALIDATION_ERROR", f"the result {ending.refused.why}", _last(ending)))
    if ending.code >= _SIGNALS_FROM:
        return Failed(TaskError("EXECUTION_ERROR", f"the program ended by {_signal(ending.code)}", _last(ending)))
    if isinstance(ending.last, Gave):
        return Done(ending.last.output) if ending.code == 0 else _exited(ending)
    if ending.code:
        return _exited(ending)
    if ending.stdout is not None:
        return Done({"stdout": ending.stdout, "exitCode": 0})
    return Failed(TaskError("EXECUTION_ERROR", "the program ended without a result", _last(ending)))


def over_limit(limit: str, resources: Resources, ending: Ending) -> Failed:
    """The error for a limit that was reached."""
    told = _TOLD[limit].format(resources)
    message = f"the program used up its {told}; raise `resources` in its definition if it needs more"
    return Failed(TaskError("RESOURCE_LIMIT", message, {"limit": limit, **_last(ending)}))


def _limit_of(ending: Ending, resources: Resources) -> str:
    """Which limit the kernel enforced, if any."""
    number = ending.code - _SIGNALS_FROM
    if number == signal.SIGXCPU or (
        number == signal.SIGKILL and ending.cpu_seconds >= _CPU_SLACK * resources.cpu_seconds
    ):
        return "cpu"
    if number == signal.SIGXFSZ:
        return "disk"
    if ending.aborts_when_full and number in _MEMORY_SIGNALS:
        return "memory"
    if isinstance(ending.last, Broke) and ending.last.code.startswith(_LIMIT_PREFIX):
        named = ending.last.code.removeprefix(_LIMIT_PREFIX)
        return named if named in _TOLD else ""
    if ending.code and number not in _SIGNALS and not isinstance(ending.last, Broke):
        said = _cause(ending).lower()
        return next((limit for limit, words in _WORDS.items() if any(word in said for word in words)), "")
    return ""


def _broke(error: Broke, ending: Ending) -> Failed:
    if error.code == "NOT_JSON":
        return Failed(TaskError("OUTPUT_VALIDATION_ERROR", error.message, _last(ending), error.stack_trace))
    details = _last(ending) if error.details is None else {"details": error.details, **_last(ending)}
    retryable = False if error.code == "NO_MAIN" else None
    return Failed(TaskError("EXECUTION_ERROR", error.message, details, error.stack_trace, retryable))


def _exited(ending: Ending) -> Failed:
    details = {"exitCode": ending.code, **_last(ending)}
    cause = _cause(ending)
    told = f": {cause}" if cause else ""
    return Failed(TaskError("EXECUTION_ERROR", f"the program ended with exit code {ending.code}{told}", details))


def _cause(ending: Ending) -> str:
    """The last line that it printed: why a program without a result has ended, if it says so at all."""
    return next((line.strip() for line in reversed(ending.tail.splitlines()) if line.strip()), "")


def _last(ending: Ending) -> dict[str, Any]:
    return {"lastOutput": ending.tail} if ending.tail else {}


def _signal(code: int) -> str:
    try:
        return f"signal {code - _SIGNALS_FROM} ({signal.Signals(code - _SIGNALS_FROM).name})"
    except ValueError:
        return f"exit code {code}"

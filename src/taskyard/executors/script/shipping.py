"""Scripts that run elsewhere: sent, with all they need, to a runner in a container or a function of Lambda.

The runner is `sandbox/inside/runner.py`; what keeps the code there is the container or the function itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from taskyard.contracts.target import Call
from taskyard.domain.dependencies import dependencies_of
from taskyard.domain.isolation import LEVEL_OF, is_enough, strictest
from taskyard.domain.outcome import Done, Failed, Report, TaskError
from taskyard.domain.text import printable
from taskyard.errors import ValidationFailed
from taskyard.executors.script.sandbox.requests import request

_LONGEST_STACK = 32_768
SHIPPED: Final = frozenset({"python", "javascript", "typescript", "shell"})
"""The kinds of scripts that a runner can run."""


def shipped(call: Call, implementation: Mapping[str, Any], place: str) -> Call | Failed:
    """The call of the runner that `implementation` says, in whose input the script is; or why it cannot be sent."""
    script = call.implementation
    wanted = strictest((script.get("isolation") or "LOW", call.security_level))
    if not is_enough(place, wanted):
        message = f"isolation {wanted} is asked for, and {place} gives only {LEVEL_OF[place]}"
        return Failed(TaskError("SANDBOX_UNAVAILABLE", message))
    if call.files or script.get("network"):
        message = f"at {place} a script has no files of the task's, and no bounds to its network; use the sandbox"
        return Failed(TaskError("SANDBOX_UNAVAILABLE", message))
    refused = _packages(script, place)
    if refused is not None:
        return refused
    told = {
        "kind": call.kind,
        "request": request(call, dict(script.get("env") or {}), {}, []).decode(),
        "cpuSeconds": call.resources.cpu_seconds,
        "task": {
            "id": call.task_id, "attempt": call.attempt, "token": call.token,
            "definition": call.definition, "version": call.version,
        },
    }  # fmt: skip
    return call._replace(implementation=implementation, input=msgspec.json.encode(told))


def _packages(script: Mapping[str, Any], place: str) -> Failed | None:
    """The error for a script that wants packages: nobody installs any there, nor may it fetch them itself."""
    try:
        wanted = dependencies_of(script)
    except ValidationFailed as error:
        return Failed(TaskError("VALIDATION_ERROR", error.message, error.details))
    if wanted is None or not wanted.packages:
        return None
    message = f"at {place} no packages are installed, and {', '.join(wanted.packages)} is asked for; use the sandbox"
    return Failed(TaskError("SANDBOX_UNAVAILABLE", message))


def unframed(report: Report) -> Report:
    """What the runner answers where it cannot speak before its end: its last frame, as a value."""
    match report:
        case Done({"type": "result", "output": output}):
            return Done(output)
        case Done({"type": "error", "error": {"message": str(message), **more}}):
            code, details = str(more.get("code") or "EXECUTION_ERROR"), more.get("details")
            return Failed(TaskError(printable(code)[:64], printable(message), details, _stack(more.get("stackTrace"))))
        case Done():
            return Failed(TaskError("SANDBOX_ERROR", "the function is no runner of scripts: its answer is no frame"))
    return report


def _stack(told: Any) -> str | None:
    return printable(told[:_LONGEST_STACK]) if isinstance(told, str) and told else None

"""From how a pod stands to what is reported: decided purely."""

from __future__ import annotations

from typing import Any

from taskyard.domain.frame import Broke, Gave
from taskyard.domain.outcome import Done, Failed, TaskError
from taskyard.domain.text import printable
from taskyard.executors.script.hearing import Hearing, broke

JsonObject = dict[str, Any]
FINAL = frozenset({"Succeeded", "Failed"})
_NEVER_STARTS = {"InvalidImageName", "ErrImageNeverPull"}
_DOES_NOT_START = {"ImagePullBackOff", "CreateContainerConfigError", "CreateContainerError", "RunContainerError"}


def phase_of(pod: JsonObject) -> str:
    """Pending, Running, Succeeded, Failed or Unknown."""
    return str(pod.get("status", {}).get("phase", "Unknown"))


def not_starting(pod: JsonObject) -> Failed | None:
    """Why a pod that is pending will not start; None while it may."""
    waiting = _state(pod).get("waiting", {})
    reason = str(waiting.get("reason", ""))
    message = printable(f"the container does not start: {reason}: {waiting.get('message', '')}"[:2048])
    if reason in _NEVER_STARTS:
        return Failed(TaskError("SANDBOX_UNAVAILABLE", f"{message}; mend `image` in the definition"))
    if reason in _DOES_NOT_START:
        return Failed(TaskError("SANDBOX_ERROR", message, retryable=True))
    return None


def judge(pod: JsonObject, hearing: Hearing, seconds: float) -> Done | Failed:
    """What is reported of a pod that has ended."""
    ended = _state(pod).get("terminated", {})
    limit = _limit(pod, ended)
    if limit is not None:
        return Failed(TaskError("RESOURCE_LIMIT", f"the container used up its {limit}", hearing.details(limit=limit)))
    reason = str(pod.get("status", {}).get("reason", ""))
    if reason == "DeadlineExceeded":
        return Failed(TaskError("TIMEOUT", f"the container took longer than its {seconds:g} s", hearing.details()))
    if reason or not ended:
        told = printable(f"the cluster ended the pod: {reason} {pod.get('status', {}).get('message', '')}"[:2048])
        return Failed(TaskError("SANDBOX_ERROR", told.strip(), hearing.details(), retryable=True))
    code = int(ended.get("exitCode", 0))
    if isinstance(hearing.last, Broke):
        return broke(hearing.last, hearing, exitCode=code)
    if code:
        last = next((line for line in reversed(hearing.tail.splitlines()) if line.strip()), "")
        message = f"the container ended with exit code {code}" + (f": {last}" if last else "")
        return Failed(TaskError("EXECUTION_ERROR", message, hearing.details(exitCode=code)))
    if isinstance(hearing.last, Gave):
        return Done(hearing.last.output)
    if hearing.refused is not None and '"result"' in hearing.refused.text[:64]:
        return Failed(TaskError("OUTPUT_VALIDATION_ERROR", f"the result {hearing.refused.why}", hearing.details()))
    return Done({"stdout": hearing.tail, "exitCode": 0})


def _limit(pod: JsonObject, ended: JsonObject) -> str | None:
    if ended.get("reason") == "OOMKilled":
        return "memory"
    status = pod.get("status", {})
    if status.get("reason") == "Evicted" and "ephemeral" in str(status.get("message", "")):
        return "disk"
    return None


def _state(pod: JsonObject) -> JsonObject:
    """The state of our one container."""
    statuses = pod.get("status", {}).get("containerStatuses") or [{}]
    state = statuses[0].get("state") or {}
    return state if isinstance(state, dict) else {}

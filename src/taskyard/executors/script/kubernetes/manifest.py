"""What the cluster is asked for: a job, and a secret with its input. Pure.

<https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/>
"""

from __future__ import annotations

import base64
import math
from datetime import UTC, datetime
from typing import Any, Final

from taskyard.contracts.target import Call
from taskyard.domain.implementation import Kubernetes, SecretRef

JsonObject = dict[str, Any]
MANAGED: Final = {"app.kubernetes.io/managed-by": "taskyard"}
SELECTOR: Final = "app.kubernetes.io/managed-by=taskyard"
TASK: Final = "taskyard/task"
ATTEMPT: Final = "taskyard/attempt"
UNTIL: Final = "taskyard/until"
"""The annotation that says until when somebody follows the job; whoever finds it past may delete the job."""

MOST_INPUT: Final = 1 << 20
"""Bytes that a secret may hold."""

_INPUT_FOLDER, _INPUT_FILE = "/taskyard", "input.json"
_MORE_SECONDS = 10
_KEPT_SECONDS = 3600
_GRACE_SECONDS = 5


def name_of(call: Call) -> str:
    """The job's name: the same for all attempts of a task until it is requeued, so that none runs beside another."""
    return call.token


def job(call: Call, asked: Kubernetes, until: str) -> JsonObject:
    """The job's manifest."""
    labels = MANAGED | {TASK: call.task_id}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name_of(call),
            "labels": labels,
            "annotations": {ATTEMPT: str(call.attempt), UNTIL: until, "taskyard/definition": call.definition},
        },
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": math.ceil(call.wall) + _MORE_SECONDS,
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
            "template": {"metadata": {"labels": labels}, "spec": _pod(call, asked)},
        },
    }


def input_secret(call: Call, job_uid: str) -> JsonObject:
    """The secret that holds the input; it goes with the job, which stays until it is gone: the next has its name."""
    owner = {
        "apiVersion": "batch/v1", "kind": "Job", "name": name_of(call), "uid": job_uid, "blockOwnerDeletion": True,
    }  # fmt: skip
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name_of(call), "labels": MANAGED | {TASK: call.task_id}, "ownerReferences": [owner]},
        "immutable": True,
        "data": {_INPUT_FILE: base64.b64encode(call.input).decode()},
    }


def moment(now_us: int) -> str:
    """A moment as annotations say it."""
    return datetime.fromtimestamp(now_us / 1e6, UTC).isoformat(timespec="seconds")


def attempt_of(found: JsonObject) -> int:
    """Whose job it is: the attempt that has last taken it."""
    try:
        return int(found["metadata"]["annotations"][ATTEMPT])
    except (KeyError, TypeError, ValueError):
        return 0


def is_past(annotations: JsonObject, now_us: int) -> bool:
    """Whether nobody follows a job with these annotations any more."""
    try:
        return datetime.fromisoformat(str(annotations[UNTIL])).timestamp() * 1e6 < now_us
    except (KeyError, ValueError):
        return False


def _pod(call: Call, asked: Kubernetes) -> JsonObject:
    strict = call.security_level == "HIGH"
    container: JsonObject = {
        "name": "task",
        "image": asked.image,
        "env": _env(call, asked),
        "resources": {"limits": _limits(call, asked)},
        "volumeMounts": [{"name": "input", "mountPath": _INPUT_FOLDER, "readOnly": True}],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
            **({"runAsNonRoot": True, "readOnlyRootFilesystem": True} if strict else {}),
        },
    }
    if asked.command:
        container["command"] = asked.command
    if asked.args:
        container["args"] = asked.args
    pod: JsonObject = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": asked.service_account is not None,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "containers": [container],
        "volumes": [{"name": "input", "secret": {"secretName": name_of(call)}}],
    }
    return pod | ({"serviceAccountName": asked.service_account} if asked.service_account else {})


def _env(call: Call, asked: Kubernetes) -> list[JsonObject]:
    ours = {
        "TASKYARD_INPUT_FILE": f"{_INPUT_FOLDER}/{_INPUT_FILE}",
        "TASKYARD_TASK_ID": call.task_id,
        "TASKYARD_ATTEMPT": str(call.attempt),
        "TASKYARD_IDEMPOTENCY_KEY": call.token,
    }
    given: list[JsonObject] = [{"name": name, "value": value} for name, value in ours.items()]
    for name, value in asked.env.items():
        if isinstance(value, SecretRef):
            secret, _, key = value.secret.partition("/")
            given.append({"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
        else:
            given.append({"name": name, "value": value.replace("$(", "$$(")})
    return given


def _limits(call: Call, asked: Kubernetes) -> JsonObject:
    limits = {
        "memory": f"{call.resources.memory_mb}Mi",
        "ephemeral-storage": f"{call.resources.disk_mb}Mi",
    }
    return limits | ({"cpu": f"{round(asked.cpu * 1000)}m"} if asked.cpu else {})

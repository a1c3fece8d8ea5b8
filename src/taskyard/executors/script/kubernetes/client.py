"""The few requests of the Kubernetes API that a job needs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from http import HTTPStatus
from typing import Any, Final

import httpx
import msgspec

from taskyard.domain.json import loads
from taskyard.errors import CallFailed, TaskyardError
from taskyard.executors.script.kubernetes.cluster import Cluster
from taskyard.security.egress.client import Egress
from taskyard.security.egress.terms import Limits

JsonObject = dict[str, Any]
_MERGE: Final = "application/merge-patch+json"
_TRY_AGAIN = frozenset({429, 500, 502, 503, 504})
_LIMITS = Limits(total=30.0, max_bytes=16 << 20)


class Refused(TaskyardError):
    """The API server refuses; `status` is HTTP's, `reason` its own, such as `AlreadyExists`."""

    code = "SANDBOX_ERROR"

    def __init__(self, message: str, status: int, reason: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class KubeClient:
    """Speaks to one cluster's API in one namespace. Raises Refused, and CallFailed while the server is not well."""

    def __init__(self, cluster: Cluster, egress: Egress) -> None:
        self._cluster = cluster
        self._egress = egress.trusting(cluster.server, cluster.tls)
        self._jobs = f"/apis/batch/v1/namespaces/{cluster.namespace}/jobs"
        self._core = f"/api/v1/namespaces/{cluster.namespace}"

    async def aclose(self) -> None:
        """Close all connections."""
        await self._egress.aclose()

    async def create_job(self, manifest: JsonObject) -> JsonObject:
        """Have a job run."""
        return await self._ask("POST", self._jobs, manifest)

    async def create_secret(self, manifest: JsonObject) -> JsonObject:
        """Keep a secret."""
        return await self._ask("POST", f"{self._core}/secrets", manifest)

    async def job(self, name: str) -> JsonObject:
        """A job as it stands."""
        return await self._ask("GET", f"{self._jobs}/{name}")

    async def jobs(self, selector: str) -> list[JsonObject]:
        """The jobs with these labels."""
        found = await self._ask("GET", self._jobs, query={"labelSelector": selector})
        return list(found.get("items", []))

    async def pods(self, job_name: str) -> list[JsonObject]:
        """A job's pods."""
        found = await self._ask("GET", f"{self._core}/pods", query={"labelSelector": f"job-name={job_name}"})
        return list(found.get("items", []))

    async def annotate_job(self, name: str, annotations: Mapping[str, str]) -> None:
        """Change a job's annotations."""
        await self._ask("PATCH", f"{self._jobs}/{name}", {"metadata": {"annotations": dict(annotations)}})

    async def delete_job(self, found: JsonObject) -> bool:
        """Delete a job with its pods and secrets, which stays until these are gone; one that is gone is as good.

        False where it is another, or has changed, since it was read.
        """
        meta = found["metadata"]
        options = {
            "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Foreground",
            "preconditions": {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]},
        }  # fmt: skip
        try:
            await self._ask("DELETE", f"{self._jobs}/{meta['name']}", options)
        except Refused as refused:
            if refused.status == HTTPStatus.CONFLICT:
                return False
            if refused.status != HTTPStatus.NOT_FOUND:
                raise
        return True

    async def log(self, pod: str, since: str, seconds: float, max_bytes: int) -> AsyncGenerator[bytes, None]:
        """A pod's log, each line after its moment, followed until the container ends or `seconds` have passed."""
        query = {"container": "task", "follow": "true", "timestamps": "true"} | ({"sinceTime": since} if since else {})
        async with self._egress.stream(
            "GET", self._url(f"{self._core}/pods/{pod}/log", query), headers=self._headers(),
            limits=Limits(read=seconds, total=seconds, max_bytes=max_bytes),
        ) as answer:  # fmt: skip
            if not answer.response.is_success:
                body = b"".join([piece async for piece in answer.pieces])
                raise _refusal(answer.response.status_code, body)
            async for piece in answer.pieces:
                yield piece

    async def _ask(
        self, method: str, path: str, body: JsonObject | None = None, query: Mapping[str, str] | None = None
    ) -> JsonObject:
        headers = self._headers() | {"content-type": _MERGE if method == "PATCH" else "application/json"}
        content = None if body is None else msgspec.json.encode(body)
        response = await self._egress.send(
            method, self._url(path, query), headers=headers, content=content, limits=_LIMITS
        )
        if not response.is_success:
            raise _refusal(response.status_code, response.content)
        found = loads(response.content)
        if not isinstance(found, dict):
            raise CallFailed("the API server's answer is no object", reason="body")
        return found

    def _headers(self) -> dict[str, str]:
        try:
            token = self._cluster.token()
        except OSError as error:
            raise CallFailed(f"the token for the cluster cannot be read: {error}", reason="token") from None
        return {"accept": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})

    def _url(self, path: str, query: Mapping[str, str] | None) -> str:
        return str(httpx.URL(self._cluster.server.rstrip("/") + path, params=query or None))


def _refusal(status: int, body: bytes) -> Exception:
    """What a `Status` object of the API says."""
    try:
        told = loads(body)
    except (TaskyardError, ValueError, RecursionError):
        told = {}
    told = told if isinstance(told, dict) else {}
    message = f"the cluster answered {status}: {told.get('message') or 'nothing more'}"
    if status in _TRY_AGAIN:
        return CallFailed(message, reason="status")
    return Refused(message, status, str(told.get("reason", "")))

"""One other service: JSON over HTTP, repeated while it fails, cut off while it keeps failing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from taskyard.calls.again import SERVICE_CALLS, Wait, call_again
from taskyard.calls.breakers import Circuit
from taskyard.domain.retry import RetryPolicy
from taskyard.errors import CallFailed
from taskyard.security.egress.terms import Limits

if TYPE_CHECKING:
    import httpx

    from taskyard.security.egress.client import Egress

_BUSY = frozenset({408, 425, 429, 502, 503, 504})


class Service:
    """A service at an address of the operator's; its host must be one that may be reached."""

    def __init__(
        self,
        url: str,
        egress: Egress,
        circuit: Circuit,
        *,
        policy: RetryPolicy = SERVICE_CALLS,
        wait: Wait = asyncio.sleep,
    ) -> None:
        self._url = url.rstrip("/")
        self._egress = egress
        self.circuit = circuit
        self._policy = policy
        self._wait = wait

    async def post(self, path: str, body: Any) -> httpx.Response:
        """The service's answer, if it is not about its own troubles. Raises CallFailed, CircuitOpen, EgressRefused.

        The reason of CallFailed is `busy` where the service, or who stands before it, cannot answer now, and `status`
        where it answered by another error.
        """
        return await self._call("POST", path, msgspec.json.encode(body))

    async def get(self, path: str) -> httpx.Response:
        """The same for what is only looked up."""
        return await self._call("GET", path, None)

    async def _call(self, method: str, path: str, content: bytes | None) -> httpx.Response:
        return await call_again(lambda: self._once(method, path, content), self._policy, wait=self._wait)

    async def _once(self, method: str, path: str, content: bytes | None) -> httpx.Response:
        limits = Limits(connect=3.0, read=5.0, total=10.0, max_bytes=256 * 1024)
        with self.circuit.call():
            headers = {"accept": "application/json"}
            if content is not None:
                headers["content-type"] = "application/json"
            answer = await self._egress.send(method, self._url + path, headers=headers, content=content, limits=limits)
            is_busy = answer.status_code in _BUSY
            if is_busy or answer.status_code >= 500:
                reason = "busy" if is_busy else "status"
                raise CallFailed(f"{self.circuit.name} answered {answer.status_code}", reason=reason)
            return answer


def object_of(answer: httpx.Response) -> dict[str, Any]:
    """The answer's JSON object. Raises CallFailed for anything else."""
    try:
        return msgspec.json.decode(answer.content, type=dict[str, Any])
    except msgspec.MsgspecError:
        raise CallFailed("the answer is no JSON object", reason="body", retryable=False) from None

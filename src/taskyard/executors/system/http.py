"""Fetching over HTTP."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import msgspec

from taskyard.domain import system
from taskyard.domain.json import loads
from taskyard.errors import TaskyardError, ValidationFailed
from taskyard.executors.system.failure import FunctionFailed
from taskyard.executors.system.grants import Grants
from taskyard.security.egress.client import Egress
from taskyard.security.egress.terms import Limits
from taskyard.security.egress.url import parse_url

if TYPE_CHECKING:
    import httpx

_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_SHOWN = 2048
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection"})


async def fetch(asked: system.Fetch, grants: Grants, egress: Egress, token: str, seconds: float) -> system.Fetched:
    """See the registry. `token` goes along so that the other side can tell a repetition."""
    grants.need("http", parse_url(asked.url).host)
    if asked.max_redirects and not _anywhere(grants):
        raise ValidationFailed("redirects lead to other hosts: they need the permission http:*")
    headers, content = _sent(asked, token)
    limits = Limits(total=seconds, max_bytes=asked.max_bytes)
    response = await egress.send(
        asked.method, asked.url, headers=headers, content=content, limits=limits, redirects=asked.max_redirects
    )
    if asked.fail_on_status and response.status_code >= 400:
        raise _refused(response)
    body, encoding = _read(response)
    return system.Fetched(response.status_code, dict(response.headers), body, encoding)


def _anywhere(grants: Grants) -> bool:
    try:
        grants.need("http", "*")
    except TaskyardError:
        return False
    return True


def _sent(asked: system.Fetch, token: str) -> tuple[dict[str, str], bytes | None]:
    headers = {name.lower(): value for name, value in asked.headers.items()}
    ours = sorted(headers.keys() & _OURS)
    if ours:
        raise ValidationFailed(f"the headers {', '.join(ours)} are set by the request itself")
    if asked.json is not None and asked.body is not None:
        raise ValidationFailed("give json or body, not both")
    if asked.method not in ("GET", "HEAD", "OPTIONS"):
        headers.setdefault("idempotency-key", token)
    if asked.json is not None:
        headers.setdefault("content-type", "application/json")
        return headers, msgspec.json.encode(asked.json)
    return headers, None if asked.body is None else asked.body.encode()


def _read(response: httpx.Response) -> tuple[Any, Any]:
    content = response.content
    if "json" in response.headers.get("content-type", "") and content:
        try:
            return loads(content), "json"
        except (TaskyardError, ValueError, RecursionError):
            pass
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return base64.b64encode(content).decode(), "base64"
    return (text, "utf-8") if "\0" not in text else (base64.b64encode(content).decode(), "base64")


def _refused(response: httpx.Response) -> FunctionFailed:
    status, after = response.status_code, response.headers.get("retry-after", "")
    return FunctionFailed(
        f"{response.request.url.host} answered {status} {response.reason_phrase}".rstrip(),
        code="INTEGRATION_ERROR",
        details={"status": status, "body": response.content[:_SHOWN].decode("utf-8", "replace").replace("\0", "")},
        retryable=status in _TRY_AGAIN,
        delay=float(after) if after.isdecimal() else None,
    )

"""Where an error's code becomes an HTTP status, and the boundary that lets no other failure out."""

from __future__ import annotations

import math
import secrets
from typing import Any

import msgspec
import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskyard.errors import CircuitOpen, Maintenance, Overloaded, RateLimited, TaskyardError, Unauthorized

STATUS: dict[str, int] = {
    "MALFORMED": 400,
    "UNAUTHORIZED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "CONFLICT": 409,
    "ILLEGAL_TRANSITION": 409,
    "STALE_LEASE": 409,
    "PAYLOAD_TOO_LARGE": 413,
    "VALIDATION_ERROR": 422,
    "RATE_LIMITED": 429,
    "INTERNAL": 500,
    "INTEGRATION_ERROR": 502,
    "OVERLOADED": 503,
    "CIRCUIT_OPEN": 503,
    "MAINTENANCE": 503,
}

_COME_BACK = (RateLimited, Overloaded, CircuitOpen, Maintenance)
_INTERNAL_ERROR = 1011

log = structlog.get_logger("taskyard.api")


class ClientGone(Exception):
    """The client has left; nobody waits for an answer."""


class ErrorBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong: a code to switch on, a sentence to read."""

    code: str
    message: str
    details: Any = None


class ErrorAnswer(msgspec.Struct, frozen=True):
    """The body of every answer that is not a success."""

    error: ErrorBody


def error_response(error: TaskyardError) -> Response:
    """The answer that tells of `error`."""
    code = error.code if error.code in STATUS else TaskyardError.code
    headers = {}
    if isinstance(error, _COME_BACK):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after or 1)))
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    body = msgspec.json.encode(ErrorAnswer(ErrorBody(code, error.message, error.details)))
    return Response(body, STATUS[code], headers, "application/json")


class ErrorBoundary:
    """Answers every error: those raised on purpose as they are, all others with an id to find in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        begun = False

        async def watched_send(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except ClientGone:
            return
        except TaskyardError as error:
            failure = error if error.code in STATUS else _unexpected(scope, error)
        except Exception as error:  # noqa: BLE001 - the boundary is for whatever comes
            failure = _unexpected(scope, error)
        else:
            return
        await _tell(failure, scope, receive, send, begun=begun)


async def _tell(error: TaskyardError, scope: Scope, receive: Receive, send: Send, *, begun: bool) -> None:
    if not begun and (scope["type"] == "http" or "websocket.http.response" in scope.get("extensions", {})):
        await error_response(error)(scope, receive, send)
    elif scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": _INTERNAL_ERROR})
    else:
        raise error  # the answer is under way: only breaking off tells that it is not whole


def _unexpected(scope: Scope, error: Exception) -> TaskyardError:
    number = secrets.token_hex(8)
    log.error("a request failed", id=number, path=scope["path"], exc_info=error)
    return TaskyardError(f"Something went wrong on the server; its log has the id {number}.", details={"id": number})

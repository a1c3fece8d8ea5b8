"""The server a client speaks to: where it is, the credential, and how a step looks on the wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from taskyard.client.errors import SocketLost, SocketRefused
from taskyard.client.talk import Answer, Open, Request
from taskyard.errors import ConfigurationError
from taskyard.settings import load

_SECONDS = 30.0
_CLOSE_SECONDS = 1.0
_POLICY_CODE = 1008
_OWN_CODES = range(4000, 5000)
_COME_BACK = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Server:
    """`url` without a final slash; `token` empty where there is none."""

    url: str
    token: str = field(repr=False)

    @classmethod
    def named(cls, url: str | None, token: str | None) -> Server:
        """What is given, else what the settings say. Raises ConfigurationError for no address, or one that is none."""
        if url is None or token is None:
            settings = load()
            url = settings["TASKYARD_URL"] if url is None else url
            token = settings["TASKYARD_TOKEN"] if token is None else token
        if not url:
            raise ConfigurationError("where the server is, is not known; set TASKYARD_URL, or give the client a url")
        if not _is_address(url):
            raise ConfigurationError(f"{url!r} is no address of a server; one looks like http://127.0.0.1:8420")
        return cls(url.rstrip("/"), token)

    @property
    def headers(self) -> dict[str, str]:
        """What every request brings."""
        return {"authorization": f"Bearer {self.token}"} if self.token else {}

    def send_arguments(self, request: Request) -> dict[str, Any]:
        """A request, as httpx takes it."""
        arguments: dict[str, Any] = {
            "method": request.method,
            "url": self.url + request.path,
            "params": {name: _text(value) for name, value in request.query.items() if value is not None},
            "timeout": _SECONDS + request.waits,
        }
        if request.content is not None:
            arguments |= {"content": request.content, "headers": {"content-type": "application/json"}}
        if request.upload is not None:
            arguments["files"] = {"file": request.upload}
        return arguments

    def open_arguments(self, step: Open) -> dict[str, Any]:
        """A socket to open, as websockets takes it; the token goes with the subprotocol, never in the address."""
        parts = urlsplit(self.url)
        scheme = "wss" if parts.scheme == "https" else "ws"
        path, _, query = step.path.partition("?")
        return {
            "uri": urlunsplit((scheme, parts.netloc, parts.path + path, query, "")),
            "subprotocols": [Subprotocol(f"bearer.{self.token}")] if self.token else None,
            "max_size": None,
            "close_timeout": _CLOSE_SECONDS,
        }


def answer_of(response: httpx.Response) -> Answer:
    """What httpx got, as talks know it."""
    return Answer(response.status_code, response.headers, response.content)


def socket_failure(error: Exception) -> SocketLost | SocketRefused:
    """What it means that a socket could not be opened or read."""
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        refused = status < 500 and status not in _COME_BACK
    elif isinstance(error, ConnectionClosed) and error.rcvd is not None:
        refused = error.rcvd.code == _POLICY_CODE or error.rcvd.code in _OWN_CODES
    else:
        refused = False
    return SocketRefused(str(error)) if refused else SocketLost(str(error))


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _text(value: Any) -> Any:
    """A query parameter's text; several values stay several."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    return [_text(one) for one in value] if isinstance(value, (list, tuple, set, frozenset)) else str(value)

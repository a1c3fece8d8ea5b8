"""A real HTTP server that writes down what it is sent, and answers as a test tells it to."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from tests.api.yard import listening


class Posted(NamedTuple):
    """A request that came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Its body."""
        return json.loads(self.body)


Answer = Callable[[Posted], Response]


class Receiver:
    """What came, in order; `answer` decides what is said to each, and `taken` holds those answered with 2xx."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.posted: list[Posted] = []
        self.taken: list[Posted] = []
        self.answer: Answer = lambda posted: Response(status_code=204)
        self.changed = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope, receive)
        posted = Posted(scope["path"], dict(request.headers), await request.body())
        self.posted.append(posted)
        answer = self.answer(posted)
        if answer.status_code < 300:
            self.taken.append(posted)
        self.changed.set()
        await answer(scope, receive, send)

    def events_of(self, task_id: str) -> list[str]:
        """The types of the events taken of one task, in the order they came."""
        return [one.json["type"] for one in self.taken if one.json["data"]["taskId"] == task_id]


def say(status: int, body: Any = None) -> Response:
    """An answer."""
    return JSONResponse(body, status_code=status)


@contextlib.asynccontextmanager
async def receiving(path: str = "/events") -> AsyncIterator[Receiver]:
    """A receiver on a free loopback port."""
    receiver = Receiver("")
    async with listening(lambda port: receiver) as port:
        receiver.url = f"http://127.0.0.1:{port}{path}"
        yield receiver

"""HTTP/1.1 (RFC 9112) over one connection, by h11: httpcore's own way takes more than twice as long for a call."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import h11
import httpx

from taskyard.security.egress.stream import Stream

_HEAD_BYTES = 65_536
_HEAD_STEP = 4096
_BODY_STEP = 65_536
_INTERIM_ANSWERS = 20
"""Each takes the loop as long as a whole answer's head does."""
_INTERIM = re.compile(rb"HTTP/1\.[01] 1\d\d")


class Connection:
    """One call at a time: `ask`, read the `body`, and see whether it `is_free` for the next. Seconds between two
    pieces. All raise httpx.TransportError.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._state = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_BYTES)

    async def ask(self, request: httpx.Request, write: float | None, read: float | None) -> h11.Response:
        """Send the request; the head of its answer."""
        try:
            await self._send(request, write)
        except httpx.WriteError:
            pass  # who has heard enough may have answered before it closed
        except h11.LocalProtocolError as error:
            raise httpx.LocalProtocolError(str(error)) from None
        return await self._head(read)

    async def body(self, read: float | None) -> AsyncIterator[bytes]:
        """The answer's body."""
        while True:
            event = self._next_event()
            if event is h11.NEED_DATA:
                self._state.receive_data(await self._stream.read(_BODY_STEP, read))
            elif type(event) is h11.Data:
                yield bytes(event.data)
            else:
                return

    def is_free(self) -> bool:
        """Whether the call has come to its end, and nothing behind it that the next would take for its own answer."""
        state = self._state
        if state.our_state is not h11.DONE or state.their_state is not h11.DONE or state.trailing_data[0]:
            return False
        state.start_next_cycle()
        return True

    @property
    def is_readable(self) -> bool:
        """Whether something has come that nobody asked for: bytes, or the end."""
        return self._stream.is_readable

    async def aclose(self) -> None:
        """Close it at once."""
        await self._stream.aclose()

    async def _send(self, request: httpx.Request, seconds: float | None) -> None:
        """A head and a short body go together: each sending takes as long as all else about a call."""
        state, stream = self._state, self._stream
        asked = h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw)
        unsent = state.send(asked) or b""
        async for piece in request.stream:  # type: ignore[union-attr]  # that of an async client
            if unsent and len(piece) > _BODY_STEP:
                await stream.write(unsent, seconds)
                unsent = b""
            if written := unsent + (state.send(h11.Data(data=piece)) or b""):
                await stream.write(written, seconds)
            unsent = b""
        if unsent := unsent + (state.send(h11.EndOfMessage()) or b""):
            await stream.write(unsent, seconds)

    async def _head(self, seconds: float | None) -> h11.Response:
        """It is read in small steps, and never more than there may be of it. Interim answers (RFC 9110, section 15.2)
        could otherwise come without an end, and leave the loop to nobody else.
        """
        left, interim = _HEAD_BYTES, _INTERIM_ANSWERS
        while True:
            event = self._next_event()
            if type(event) is h11.Response:
                return event
            if type(event) is h11.InformationalResponse:
                continue
            if event is not h11.NEED_DATA:
                raise httpx.RemoteProtocolError("what came is no answer")
            data = await self._stream.read(_HEAD_STEP, seconds)
            if not data:
                raise httpx.RemoteProtocolError("the connection ended before the answer")
            left -= len(data)
            interim -= len(_INTERIM.findall(data))
            if left < 0:
                raise httpx.RemoteProtocolError(f"more than {_HEAD_BYTES} bytes came before the answer")
            if interim < 0:
                raise httpx.RemoteProtocolError(f"more than {_INTERIM_ANSWERS} interim answers came before the answer")
            self._state.receive_data(data)

    def _next_event(self) -> Any:
        try:
            return self._state.next_event()
        except h11.RemoteProtocolError as error:
            raise httpx.RemoteProtocolError(str(error)) from None

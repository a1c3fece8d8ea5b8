"""The HTTP connector."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from standardwebhooks import Webhook

from taskyard.calls.together import together
from taskyard.contracts.connector import Away, Message, Received, Refusal
from taskyard.errors import CallFailed, EgressRefused
from taskyard.security.egress.client import Egress
from taskyard.security.egress.terms import Limits

_CALLS = 20
_LIMITS = Limits(connect=5.0, read=15.0, total=20.0, max_bytes=64 * 1024)
_SICK = frozenset({401, 403, 404, 405, 407, 408, 425, 429})
"""What the address or our credential is to blame for, or the moment, rather than the event."""


class HttpOptions(NamedTuple):
    """Where events are sent, and by what the receiver knows us: a bearer token, a secret that signs (`whsec_…`)."""

    url: str
    token: str = ""
    secret: str = ""


class HttpConnector:
    """Each event is a request of its own; 2xx acknowledges it. See the contract."""

    name = "http"
    receives = False

    def __init__(self, options: HttpOptions, egress: Egress) -> None:
        self._options = options
        self._egress = egress
        self._webhook = Webhook(options.secret) if options.secret else None
        self.sends = bool(options.url)

    async def publish(self, messages: Sequence[Message]) -> list[Refusal | None]:
        """See the contract."""
        return await together([partial(self._post, message) for message in messages], _CALLS)

    async def receive(self) -> list[Received]:
        """Nothing: events come in at our own address."""
        return []

    async def extend(self, received: Sequence[Received]) -> None:
        """See `receive`."""

    async def acknowledge(self, received: Sequence[Received]) -> None:
        """See `receive`."""

    async def release(self, received: Sequence[Received]) -> None:
        """See `receive`."""

    async def check(self) -> str:
        """See the contract. Any answer will do."""
        try:
            answer = await self._egress.send("OPTIONS", self._options.url, limits=_LIMITS)
        except (CallFailed, EgressRefused) as error:
            raise Away(error.message) from error
        return f"{self._options.url} answered {answer.status_code}"

    async def close(self) -> None:
        """Nothing is kept open here."""

    async def _post(self, message: Message) -> Refusal | None:
        try:
            answer = await self._egress.send(
                "POST", self._options.url, headers=self._headers(message), content=message.body, limits=_LIMITS
            )
        except CallFailed as error:
            if error.reason == "connect":
                raise Away(error.message) from error
            return Refusal(error.message, sick=True)
        except EgressRefused as error:
            raise Away(error.message) from error
        status = answer.status_code
        if 200 <= status < 300:
            return None
        return Refusal(f"{self._options.url} answered {status}", sick=status >= 500 or status in _SICK)

    def _headers(self, message: Message) -> dict[str, str]:
        headers = {name.replace("ce_", "ce-").replace("_", "-"): value for name, value in message.headers}
        headers |= {"content-type": "application/json", "webhook-id": message.id}
        if self._options.token:
            headers["authorization"] = f"Bearer {self._options.token}"
        if self._webhook is not None:
            at = datetime.now(UTC)
            signature = self._webhook.sign(message.id, at, message.body.decode())
            headers |= {"webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}
        return headers

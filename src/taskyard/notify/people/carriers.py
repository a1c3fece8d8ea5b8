"""The channels that lead to people: mail, and what takes a webhook."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Any, Final

import msgspec

from taskyard.calls.mail import MailServer, hand_over
from taskyard.contracts.telling import Message
from taskyard.domain.task import time_of
from taskyard.errors import CallFailed
from taskyard.security.egress.client import Egress
from taskyard.security.egress.terms import Limits
from taskyard.security.webhooks import callback_secret, signed_headers

_LIMITS: Final = Limits(connect=5.0, read=10.0, total=15.0, max_bytes=64 * 1024)
_BUSY: Final = frozenset({408, 425, 429})
_SLACK: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})

Now = Callable[[], Awaitable[int]]
"""The time, in microseconds since the epoch."""


class Mail:
    """E-mail, by the operator's server (RFC 5322; RFC 3834 keeps machines from answering it)."""

    def __init__(self, egress: Callable[[], Egress], server: MailServer, sender: str, now: Now) -> None:
        self._egress = egress
        self._server = server
        self._sender = sender
        self._now = now

    async def send(self, message: Message, address: str) -> None:
        """See the contract."""
        try:
            mail = self._mail(message, address, await self._now())
        except ValueError as error:
            raise CallFailed(f"this cannot be sent by mail: {error}", reason="message", retryable=False) from None
        envelope = parseaddr(self._sender)[1] or self._sender
        await hand_over(self._server, self._egress().guard, mail, envelope, [address])

    def _mail(self, message: Message, address: str, now: int) -> EmailMessage:
        words, domain = message.words, parseaddr(self._sender)[1].rpartition("@")[2]
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = self._sender, address, words.subject
        mail["Date"] = format_datetime(time_of(now))
        mail["Message-ID"] = f"<{message.id}@{domain or 'localhost'}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(words.text)
        if words.html is not None:
            mail.add_alternative(words.html, subtype="html")
        return mail


class Slack:
    """An incoming webhook as Slack, Mattermost and others have them: a `text`, with `&`, `<` and `>` escaped."""

    def __init__(self, egress: Callable[[], Egress]) -> None:
        self._egress = egress

    async def send(self, message: Message, address: str) -> None:
        """See the contract."""
        words = message.words
        text = f"*{words.subject.translate(_SLACK)}*\n{words.text.translate(_SLACK)}"
        await post(self._egress(), address, {"content-type": "application/json"}, {"text": text})


class Hook:
    """A webhook of the person's own, signed with the secret that signs their callbacks."""

    def __init__(self, egress: Callable[[], Egress], key: Callable[[], bytes], now: Now) -> None:
        self._egress = egress
        self._key = key
        self._now = now

    async def send(self, message: Message, address: str) -> None:
        """See the contract."""
        body = {"type": "notification", **plain(message)}
        secret = callback_secret(self._key(), message.to.id)
        headers = signed_headers([secret], message.id, await self._now(), msgspec.json.encode(body), both=False)
        await post(self._egress(), address, headers | {"content-type": "application/json"}, body)


def plain(message: Message) -> dict[str, Any]:
    """The message as JSON."""
    return {
        "id": message.id,
        "recipient": {"id": message.to.id, "name": message.to.name, "email": message.to.email},
        "kind": message.kind,
        "subject": message.words.subject,
        "text": message.words.text,
        "link": message.link,
        "notices": message.notices,
    }


async def post(egress: Egress, url: str, headers: dict[str, str], body: Any) -> None:
    """Post JSON. Raises CallFailed unless it was taken, EgressRefused where calls may not go."""
    answer = await egress.send("POST", url, headers=headers, content=msgspec.json.encode(body), limits=_LIMITS)
    status = answer.status_code
    if status >= 300:
        raise CallFailed(f"it answered {status}", reason="status", retryable=status >= 500 or status in _BUSY)

"""A real SMTP server that keeps what it is sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, NamedTuple

from aiosmtpd.smtp import SMTP


class Letter(NamedTuple):
    """A message that was taken."""

    recipients: list[str]
    message: EmailMessage

    @property
    def subject(self) -> str:
        """Its subject."""
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        """Its plain text."""
        body = self.message.get_body(("plain",))
        assert body is not None
        return str(body.get_content())


class Post:
    """What came, and how often by its `Message-ID`. It knows nobody called `gone`; while `away` it takes nothing."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.ids: Counter[str] = Counter()
        self.refused: list[str] = []
        self.away = False
        self.url = ""

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802 - aiosmtpd's
        """Look whether somebody lives here."""
        if self.away or address.startswith("gone"):
            self.refused.append(address)
            return "451 try later" if self.away else "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
        """Keep a message."""
        message: Any = message_from_bytes(envelope.content, policy=policy.default)
        self.letters.append(Letter(list(envelope.rcpt_tos), message))
        self.ids[str(message["Message-ID"])] += 1
        return "250 taken"

    def to(self, address: str) -> list[Letter]:
        """What came for somebody."""
        return [letter for letter in self.letters if address in letter.recipients]


@contextlib.asynccontextmanager
async def post_office() -> AsyncIterator[Post]:
    """A server on a free loopback port."""
    post = Post()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(post), "127.0.0.1", 0)
    post.url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield post
    finally:
        server.close()
        await server.wait_closed()

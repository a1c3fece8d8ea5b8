from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from typing import Any

import msgspec
import pytest
from aiosmtpd.smtp import SMTP

from taskyard.calls.mail import MailServer, parse_mail_url
from taskyard.domain import system
from taskyard.errors import CallFailed, ConfigurationError, Forbidden, ValidationFailed
from taskyard.executors.system.grants import Grants, parse_grants
from taskyard.executors.system.mail import send_mail
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.rules import Rules

_GIVEN = parse_grants(["mail:*@example.com"])
GRANTS = Grants(_GIVEN, None, _GIVEN)
FROM = "yard@example.com"


class Post:
    """What a real SMTP server took; it knows nobody called `gone`, and `busy` is busy."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.port = 0

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802 - aiosmtpd's
        if address.startswith("gone"):
            return "550 no such user"
        if address.startswith("busy"):
            return "451 try later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
        self.taken.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default)))
        return "250 taken"


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    post = Post()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(post), "127.0.0.1", 0)
    post.port = server.sockets[0].getsockname()[1]
    yield post
    server.close()
    await server.wait_closed()


async def send(post: Post, asked: system.Send) -> system.Sent:
    server = MailServer("127.0.0.1", post.port, "", "", tls=False)
    return await send_mail(asked, GRANTS, Guard(Rules()), server, FROM, "task-1")


async def test_a_message_arrives_whole(post: Post) -> None:
    asked = system.Send(
        ["ann@example.com"], "Grüße", "Text ä", cc=["bob@example.com"], bcc=["eve@example.com"], html="<b>x</b>",
        reply_to="re@example.com", attachments=[system.Attachment("a.bin", "AAEC")],
    )  # fmt: skip
    sent = await send(post, asked)
    recipients, message = post.taken[0]
    assert recipients == ["ann@example.com", "bob@example.com", "eve@example.com"]
    assert (message["Subject"], message["From"], message["Cc"], message["Bcc"]) == (
        "Grüße", FROM, "bob@example.com", None,
    )  # fmt: skip
    assert message["Message-ID"] == "<task-1@example.com>"
    assert msgspec.to_builtins(sent) == {"messageId": "<task-1@example.com>", "refused": {}}
    assert message.get_body(("plain",)).get_content().strip() == "Text ä"
    assert [part.get_content() for part in message.iter_attachments()] == [b"\0\1\2"]


async def test_who_is_refused_is_told(post: Post) -> None:
    sent = await send(post, system.Send(["gone@example.com", "ann@example.com"], "x", "y"))
    assert list(sent.refused) == ["gone@example.com"]
    for address, retryable in (("gone@example.com", False), ("busy@example.com", True)):
        with pytest.raises(CallFailed) as failed:
            await send(post, system.Send([address], "x", "y"))
        assert failed.value.retryable is retryable


@pytest.mark.parametrize(
    "asked",
    [
        system.Send(["ann@example.com"], "x\r\nBcc: eve@evil.com", "y"),
        system.Send(["ann@example.com"], "x", "y", attachments=[system.Attachment("a", "not base64!")]),
        system.Send(["ann@example.com"], "x", "y", reply_to="a@b\r\nX: y"),
    ],
)
async def test_what_is_no_message_is_refused(post: Post, asked: system.Send) -> None:
    with pytest.raises(ValidationFailed):
        await send(post, asked)
    assert not post.taken


async def test_every_recipient_needs_permission(post: Post) -> None:
    for asked in (
        system.Send(["ann@example.com", "eve@evil.com"], "x", "y"),
        system.Send(["ann@example.com"], "x", "y", cc=["eve@evil.com"]),
        system.Send(["ann@example.com"], "x", "y", bcc=["eve@evil.com"]),
    ):
        with pytest.raises(Forbidden, match=r"mail:eve@evil\.com"):
            await send(post, asked)
    assert not post.taken


async def test_a_password_is_not_sent_in_the_clear() -> None:
    """The server offers no TLS: on another machine that ends it, whatever it is asked."""
    heard: list[bytes] = []
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        while line := await reader.readline():
            heard.append(line)
            writer.write(b"250-here\r\n250 AUTH PLAIN LOGIN\r\n")
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        gone.set()

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    server = MailServer("mail.example", listener.sockets[0].getsockname()[1], "user", "canary", tls=False)
    with pytest.raises(CallFailed):
        await send_mail(
            system.Send(["ann@example.com"], "x", "y"), GRANTS, Guard(Rules(), resolve), server, FROM, "task-1"
        )
    await gone.wait()
    listener.close()
    assert heard
    assert b"AUTH" not in b"".join(heard)


async def test_without_a_server_it_is_said_what_to_set() -> None:
    with pytest.raises(ConfigurationError, match="TASKYARD_SMTP_URL"):
        await send_mail(system.Send(["ann@example.com"], "x", "y"), GRANTS, Guard(Rules()), None, "", "task-1")
    server = MailServer("127.0.0.1", 1, "", "", tls=False)
    with pytest.raises(CallFailed):
        await send_mail(system.Send(["ann@example.com"], "x", "y"), GRANTS, Guard(Rules()), server, FROM, "task-1")


def test_addresses_of_servers() -> None:
    assert parse_mail_url("smtp://u%40x:p%3Aw@mail.example") == ("mail.example", 587, "u@x", "p:w", False)
    assert parse_mail_url("smtps://mail.example:26") == ("mail.example", 26, "", "", True)
    for wrong in ("http://mail.example", "smtp://", "mail.example", "smtp://x:y"):
        with pytest.raises(ConfigurationError):
            parse_mail_url(wrong)

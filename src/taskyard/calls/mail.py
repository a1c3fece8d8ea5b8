"""Handing messages to the operator's mail server."""

from __future__ import annotations

from email.message import EmailMessage
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from taskyard.errors import CallFailed, ConfigurationError
from taskyard.security.egress.guard import Guard

_PORTS = {"smtp": 587, "smtps": 465}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class MailServer(NamedTuple):
    """Where mail goes. `tls`: from the first byte on; without it the connection is made secure where the server can,
    and must be where a password is sent to another machine.
    """

    host: str
    port: int
    user: str
    password: str
    tls: bool


def parse_mail_url(url: str) -> MailServer:
    """Read `smtp://user:password@host:587` or `smtps://…`. Raises ConfigurationError."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
        host = parts.hostname or ""
    except (ValueError, KeyError):
        host = ""
    if not host:
        raise ConfigurationError("TASKYARD_SMTP_URL must be smtp://user:password@host:587 or smtps://…")
    return MailServer(host, port, unquote(parts.username or ""), unquote(parts.password or ""), parts.scheme == "smtps")


async def hand_over(
    server: MailServer, guard: Guard, message: EmailMessage, sender: str, recipients: list[str], seconds: float = 30.0
) -> dict[str, str]:
    """Hand a message over; the recipients that the server refused, and why.

    The server is the operator's choice and may be anywhere. Raises CallFailed, also when it took none of them.
    """
    import aiosmtplib  # loaded with the first mail

    connection = await guard.trusting(server.host).open_socket(server.host, server.port, seconds=seconds)
    must_be_secure = bool(server.password) and server.host not in _LOOPBACK
    client = aiosmtplib.SMTP(
        hostname=server.host, port=None, sock=connection, timeout=seconds, use_tls=server.tls,
        start_tls=True if must_be_secure and not server.tls else None,
        username=server.user or None, password=server.password or None,
    )  # fmt: skip
    try:
        async with client:
            refused, _ = await client.send_message(message, sender=sender, recipients=recipients)
    except aiosmtplib.SMTPRecipientsRefused as error:
        codes = [each.code for each in error.recipients]
        told = "; ".join(f"{each.recipient}: {each.code} {each.message}" for each in error.recipients)
        raise CallFailed(
            f"the mail server refused all recipients: {told}", reason="refused", retryable=any(c < 500 for c in codes)
        ) from None
    except aiosmtplib.SMTPResponseException as error:
        raise CallFailed(
            f"the mail server refused: {error.code} {error.message}", reason="refused", retryable=error.code < 500
        ) from None
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        raise CallFailed(f"the mail server did not answer as it should: {error}", reason="connect") from None
    finally:
        connection.close()
    return {recipient: f"{answer.code} {answer.message}" for recipient, answer in refused.items()}

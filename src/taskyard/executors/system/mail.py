"""Sending mail."""

from __future__ import annotations

import base64
from email.message import EmailMessage
from email.utils import formatdate

from taskyard.calls.mail import MailServer, hand_over
from taskyard.domain import system
from taskyard.errors import ConfigurationError, ValidationFailed
from taskyard.executors.system.grants import Grants
from taskyard.security.egress.guard import Guard


async def send_mail(
    asked: system.Send, grants: Grants, guard: Guard, server: MailServer | None, sender: str, token: str
) -> system.Sent:
    """See the registry."""
    recipients = list(dict.fromkeys((*asked.to, *asked.cc, *asked.bcc)))
    for recipient in recipients:
        grants.need("mail", recipient)
    if server is None or not sender:
        raise ConfigurationError("no mail can be sent here: set TASKYARD_SMTP_URL and TASKYARD_MAIL_FROM")
    try:
        message = _message(asked, sender, token)
    except ValueError as error:
        raise ValidationFailed(f"this is no message that can be sent: {error}") from None
    refused = await hand_over(server, guard, message, sender, recipients)
    return system.Sent(str(message["Message-ID"]), refused)


def _message(asked: system.Send, sender: str, token: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, ", ".join(asked.to), asked.subject
    if asked.cc:
        message["Cc"] = ", ".join(asked.cc)
    if asked.reply_to:
        message["Reply-To"] = asked.reply_to
    message["Date"] = formatdate(localtime=False)
    message["Message-ID"] = f"<{token}@{sender.rpartition('@')[2].rstrip('>')}>"
    message.set_content(asked.text)
    if asked.html is not None:
        message.add_alternative(asked.html, subtype="html")
    for attachment in asked.attachments:
        main, _, sub = attachment.content_type.partition("/")
        content = base64.b64decode(attachment.content, validate=True)
        message.add_attachment(content, maintype=main, subtype=sub, filename=attachment.name)
    return message

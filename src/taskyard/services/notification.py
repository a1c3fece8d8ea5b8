"""The notification service of a platform: one way to tell people. While it is away their other ways are taken."""

from __future__ import annotations

from typing import Final

from taskyard.contracts.telling import Message
from taskyard.errors import CallFailed
from taskyard.services.service import Service

PATH: Final = "/api/notifications"


class NotificationService:
    """Is sent `{id, recipient, kind, subject, text, link, notices}`; the same `id` again is the same message."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def send(self, message: Message, address: str) -> None:
        """See the contract; the address is the recipient's id."""
        words, to = message.words, message.to
        answer = await self._service.post(
            PATH,
            {
                "id": message.id,
                "recipient": {"id": address, "name": to.name, "email": to.email},
                "kind": message.kind,
                "subject": words.subject,
                "text": words.text,
                "html": words.html,
                "link": message.link,
                "notices": message.notices,
            },
        )
        if answer.status_code >= 300:
            raise CallFailed(
                f"the notification service answered {answer.status_code}", reason="status", retryable=False
            )

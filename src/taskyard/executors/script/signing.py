"""Signing what HTTP targets are asked, in both forms in which webhooks are signed."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook

from taskyard.executors.script.http import Sign


def signer(secret: str) -> Sign | None:
    """Signs with a secret `whsec_…`; None for none."""
    if not secret:
        return None
    webhook = Webhook(secret)

    def sign(message_id: str, now_us: int, body: bytes) -> dict[str, str]:
        at, ms = datetime.fromtimestamp(now_us // 1_000_000, UTC), now_us // 1000
        own = hmac.digest(secret.encode(), body + f":{ms}".encode(), hashlib.sha256)
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(now_us // 1_000_000),
            "webhook-signature": webhook.sign(message_id, at, body.decode()),
            "x-task-timestamp": str(ms),
            "x-task-signature": own.hex(),
        }

    return sign

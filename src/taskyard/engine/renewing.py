"""A new master key: what was sealed with a former one is sealed anew, while all else goes on."""

from __future__ import annotations

import structlog

from taskyard.engine.client_apps import renew_client_apps
from taskyard.engine.connections import renew_connections
from taskyard.engine.engine import Engine
from taskyard.engine.subscriptions import renew_subscriptions
from taskyard.security.box import SecretBox

log = structlog.get_logger("taskyard.secrets")


async def renew_secrets(engine: Engine, box: SecretBox) -> int:
    """Renew all that is sealed with a key that is known; how many things."""
    count = (
        await renew_connections(engine, box)
        + await renew_subscriptions(engine, box)
        + await renew_client_apps(engine, box)
    )
    if count:
        log.info("secrets were sealed with the new key", count=count)
    return count

"""Client apps: programs that subscribe to webhooks with a key and a secret of their own."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from typing import NamedTuple

from taskyard.contracts.webhooks import ClientApp, SubscriptionRow
from taskyard.domain.webhook import Endpoint
from taskyard.engine.engine import Engine
from taskyard.engine.subscriptions import Outside, owner_of, subscribe_app
from taskyard.errors import ConfigurationError, NotFound, Unauthorized
from taskyard.security.box import SecretBox
from taskyard.security.caller import Caller
from taskyard.security.webhooks import new_secret

_AT_ONCE = 200
_REFUSED = "x-api-key and x-api-secret are not those of a client app; make one with POST /api/v1/client-apps"


class ClientAppPage(NamedTuple):
    """Some client apps by their keys, and the key after which the next page begins (None: there is none)."""

    items: list[ClientApp]
    next: str | None


async def make_client_app(engine: Engine, outside: Outside, caller: Caller, name: str) -> tuple[ClientApp, str]:
    """Store a client app; the second value is its secret, told this once. It also signs what its endpoints are sent."""
    key, secret = f"{name}-{uuid.uuid4()}", new_secret()
    sealed = outside.box.seal(secret.encode(), _place(key))
    app = ClientApp(key, name, caller.subject, await engine.store.now(), sealed)
    await engine.store.save_client_app(app)
    return app, secret


async def list_client_apps(engine: Engine, caller: Caller, limit: int, after: str | None) -> ClientAppPage:
    """A page of the caller's client apps, by key; an admin's are all."""
    apps = await engine.store.client_apps(owner_of(caller), limit + 1, after or "")
    return ClientAppPage(apps[:limit], apps[limit - 1].key if len(apps) > limit else None)


async def remove_client_app(engine: Engine, caller: Caller, key: str) -> None:
    """Forget a client app and its subscriptions. Raises NotFound."""
    app = await engine.store.client_app(key)
    if app is None or owner_of(caller) not in (None, app.owner):
        raise NotFound(f"there is no client app {key!r}")
    await engine.store.remove_client_app(key)


async def enter(engine: Engine, outside: Outside, key: str, secret: str) -> ClientApp:
    """The client app that this key and secret are of. Raises Unauthorized."""
    app = await engine.store.client_app(key) if key and "\0" not in key else None
    known = new_secret() if app is None else _secret(outside, app)
    if not hmac.compare_digest(known.encode(), secret.encode()) or app is None:
        raise Unauthorized(_REFUSED)
    return app


async def subscribe_as(
    engine: Engine, outside: Outside, app: ClientApp, url: str, event: str
) -> tuple[SubscriptionRow, bool]:
    """Have a client app's address told of an event, once; whether it is new.

    Raises ValidationFailed, and NotFound where the app was removed meanwhile.
    """
    identity = hashlib.sha256(f"{app.key}\0{url}\0{event}".encode()).digest()
    id_ = str(int.from_bytes(identity[:8], "big") >> 1)
    endpoint = Endpoint(url=url, events=[event], description=f"of the client app {app.name}")
    return await subscribe_app(engine, outside, id_, app.owner, app.key, _secret(outside, app), endpoint)


async def renew_client_apps(engine: Engine, box: SecretBox) -> int:
    """Seal with the present key what a former one has sealed; how many apps. May run beside all else."""
    count, after = 0, ""
    while apps := await engine.store.client_apps(None, _AT_ONCE, after):
        after = apps[-1].key
        for app in apps:
            if box.is_former(app.secret):
                renewed = app._replace(secret=box.renew(app.secret, _place(app.key)))
                count += await engine.store.save_client_app(renewed, app.secret)
    return count


def _secret(outside: Outside, app: ClientApp) -> str:
    try:
        return outside.box.open(app.secret, _place(app.key)).decode()
    except ConfigurationError:
        raise Unauthorized(_REFUSED) from None


def _place(key: str) -> str:
    return f"client-app/{key}"

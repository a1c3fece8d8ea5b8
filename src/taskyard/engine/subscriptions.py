"""Subscriptions: who wants to be told by webhook. What is told them is `taskyard.engine.deliveries`'."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from taskyard.contracts.webhooks import SubscriptionRow
from taskyard.domain.policy import invalid
from taskyard.domain.webhook import OVERLAP, ClientAuth, Endpoint, Health, check_endpoint
from taskyard.engine.engine import Engine
from taskyard.engine.events import latest_position
from taskyard.errors import ConfigurationError, Conflict, NotFound
from taskyard.security.box import SecretBox
from taskyard.security.caller import Caller
from taskyard.security.webhooks import new_secret

_MOST_SECRETS = 5
_TRIES = 20
_AT_ONCE = 200


class Outside(NamedTuple):
    """What dealing with the world outside takes: where secrets are sealed, and who says where calls may go.

    `await check_url(url, path)` raises a ValidationFailed that names `path`. `callbacks` is the key of their secrets.
    """

    box: SecretBox
    check_url: Callable[[str, str], Awaitable[str]]
    callbacks: bytes


class SigningSecret(msgspec.Struct, frozen=True, omit_defaults=True):
    """A secret that signs, until a moment in microseconds if it was replaced."""

    secret: str
    until: int | None = None


class Secrets(msgspec.Struct, frozen=True):
    """What of a subscription is sealed: its signing secrets, newest first, and how we prove ourselves."""

    signing: list[SigningSecret]
    auth: ClientAuth

    def signing_at(self, now: int) -> list[str]:
        """Those that hold now."""
        return [each.secret for each in self.signing if each.until is None or each.until > now]


class SubscriptionPage(NamedTuple):
    """Some subscriptions by their ids, and the id after which the next page begins (None: there is none)."""

    items: list[SubscriptionRow]
    next: str | None


def owner_of(caller: Caller) -> str | None:
    """Whose things a caller sees: their own, or (None) everybody's."""
    return None if caller.is_admin else caller.subject


async def subscribe(
    engine: Engine, outside: Outside, caller: Caller, endpoint: Endpoint
) -> tuple[SubscriptionRow, str]:
    """Store an endpoint; what happens from now on is told it. The second value is its secret, told this once.

    Raises ValidationFailed, also for an address that may not be reached.
    """
    await _vet(outside, endpoint)
    secret = new_secret()
    id_ = str(engine.store.new_ids(1)[0])
    secrets = Secrets([SigningSecret(secret)], endpoint.client_auth)
    row = await _draft(engine, outside, id_, caller.subject, endpoint, secrets)
    await engine.store.save_subscription(row)
    return row, secret


async def subscribe_app(
    engine: Engine, outside: Outside, id_: str, owner: str, app: str, secret: str, endpoint: Endpoint
) -> tuple[SubscriptionRow, bool]:
    """Store a client app's endpoint under its id unless it is there already; whether it is new.

    Raises ValidationFailed, and NotFound where there is no such app.
    """
    await _vet(outside, endpoint)
    secrets = Secrets([SigningSecret(secret)], ClientAuth())
    row = (await _draft(engine, outside, id_, owner, endpoint, secrets))._replace(app=app)
    if await engine.store.save_subscription(row):
        return row, True
    found = await engine.store.subscription(id_)
    if found is None:
        raise NotFound(f"there is no client app {app!r}")
    return found, False


async def get_subscription(engine: Engine, caller: Caller, subscription_id: str) -> SubscriptionRow:
    """One of the caller's endpoints; an admin's are all. Raises NotFound."""
    row = await engine.store.subscription(subscription_id)
    if row is None or owner_of(caller) not in (None, row.owner):
        raise NotFound(f"there is no subscription {subscription_id!r}; `taskyard webhooks` lists yours")
    return row


async def list_subscriptions(engine: Engine, caller: Caller, limit: int, after: str | None) -> SubscriptionPage:
    """A page of the caller's endpoints, by id."""
    rows = await engine.store.subscriptions(owner_of(caller), limit + 1, after or "")
    return SubscriptionPage(rows[:limit], rows[limit - 1].id if len(rows) > limit else None)


async def change_subscription(
    engine: Engine, outside: Outside, caller: Caller, subscription_id: str, change: Callable[[Endpoint], Endpoint]
) -> SubscriptionRow:
    """Store what `change` makes of an endpoint; one that is enabled (again) begins with good health, and now.

    Raises NotFound, ValidationFailed, Conflict.
    """

    async def edit(row: SubscriptionRow) -> SubscriptionRow:
        secrets = open_secrets(outside.box, row)
        endpoint = change(replace(row.endpoint, client_auth=secrets.auth, enabled=is_enabled(row)))
        await _vet(outside, endpoint)
        secrets = replace(secrets, auth=endpoint.client_auth)
        if endpoint.enabled and not is_enabled(row):
            row = row._replace(health=Health(), since=await latest_position(engine))
        return row._replace(endpoint=_shown(endpoint), secrets=seal_secrets(outside.box, row.id, secrets))

    return await _change(engine, caller, subscription_id, edit)


async def rotate(
    engine: Engine, outside: Outside, caller: Caller, subscription_id: str, overlap: float = OVERLAP
) -> tuple[SubscriptionRow, str]:
    """Give an endpoint a new secret, told this once; the one before signs beside it for `overlap` seconds.

    Raises NotFound, Conflict.
    """
    secret = new_secret()
    until = await engine.store.now() + int(overlap * 1_000_000)

    async def edit(row: SubscriptionRow) -> SubscriptionRow:
        secrets = open_secrets(outside.box, row)
        before = [replace(each, until=min(each.until or until, until)) for each in secrets.signing]
        signing = [SigningSecret(secret), *before][:_MOST_SECRETS]
        return row._replace(secrets=seal_secrets(outside.box, row.id, replace(secrets, signing=signing)))

    return await _change(engine, caller, subscription_id, edit), secret


async def unsubscribe(engine: Engine, caller: Caller, subscription_id: str) -> None:
    """Forget an endpoint. Raises NotFound."""
    await get_subscription(engine, caller, subscription_id)
    await engine.store.remove_subscription(subscription_id)


def is_enabled(row: SubscriptionRow) -> bool:
    """Whether it is told anything: its owner wants it, and it was not given up."""
    return row.endpoint.enabled and row.health.disabled_at is None


def seal_secrets(box: SecretBox, subscription_id: str, secrets: Secrets) -> bytes:
    """The secrets as they are stored."""
    return box.seal(msgspec.json.encode(secrets), _place(subscription_id))


def open_secrets(box: SecretBox, row: SubscriptionRow) -> Secrets:
    """A subscription's secrets. Raises ConfigurationError when they were sealed with another key."""
    return msgspec.json.decode(box.open(row.secrets, _place(row.id)), type=Secrets)


async def renew_subscriptions(engine: Engine, box: SecretBox) -> int:
    """Seal with the present key what a former one has sealed; how many endpoints. May run beside all else."""
    count, after = 0, ""
    while rows := await engine.store.subscriptions(None, _AT_ONCE, after):
        after = rows[-1].id
        for row in rows:
            if box.is_former(row.secrets):
                renewed = row._replace(secrets=box.renew(row.secrets, _place(row.id)))
                count += await engine.store.save_subscription(renewed)
    return count


def _place(subscription_id: str) -> str:
    return f"subscription/{subscription_id}"


async def _draft(
    engine: Engine, outside: Outside, id_: str, owner: str, endpoint: Endpoint, secrets: Secrets
) -> SubscriptionRow:
    now, since = await engine.store.now(), await latest_position(engine)
    sealed = seal_secrets(outside.box, id_, secrets)
    return SubscriptionRow(id_, owner, now, since, _shown(endpoint), sealed, Health())


def _shown(endpoint: Endpoint) -> Endpoint:
    return replace(endpoint, client_auth=endpoint.client_auth.shown())


async def _vet(outside: Outside, endpoint: Endpoint) -> None:
    check_endpoint(endpoint)
    await outside.check_url(endpoint.url, "/url")
    auth = endpoint.client_auth
    if auth.token_url is not None:
        await outside.check_url(auth.token_url, "/clientAuth/tokenUrl")
    if auth.certificate is not None:
        from taskyard.security.egress.tls import tls_context

        try:
            tls_context(certificate=auth.certificate, key=auth.private_key or "")
        except ConfigurationError as error:
            raise invalid("/clientAuth/certificate", error.message, "pem") from None


async def _change(
    engine: Engine, caller: Caller, subscription_id: str, edit: Callable[[SubscriptionRow], Awaitable[SubscriptionRow]]
) -> SubscriptionRow:
    """What was stored; tried again while others change the subscription between."""
    for _ in range(_TRIES):
        row = await edit(await get_subscription(engine, caller, subscription_id))
        if await engine.store.save_subscription(row):
            return row
    raise Conflict(f"the subscription {subscription_id!r} is being changed by many at once; try again")

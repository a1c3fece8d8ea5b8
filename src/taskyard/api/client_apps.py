"""Client apps: programs that subscribe with a key and a secret of their own."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer, answer_page
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.api.subscriptions import Subscription, subscription_json
from taskyard.contracts.webhooks import ClientApp
from taskyard.domain.task import Time, iso
from taskyard.domain.webhook import Pattern, Url
from taskyard.engine.client_apps import enter, list_client_apps, make_client_app, remove_client_app, subscribe_as

routes = Routes("Webhooks")


class NewClientApp(schemas.Strict):
    """What the app is called."""

    client_name: Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class AppSubscription(schemas.Strict):
    """Which address is told of what: `key` is a routing key, type, alias or pattern."""

    url: Url
    key: Pattern


class ClientAppState(schemas.Answer):
    """A client app."""

    name: str
    api_key: str
    owner: str
    created_at: Time


class MadeClientApp(schemas.Answer):
    """A new client app with its secret, which is told this once and also signs what its addresses are sent."""

    name: str
    api_key: str
    api_secret: str


class ClientAppPage(schemas.Answer):
    """Some client apps."""

    items: list[ClientAppState]
    next_cursor: str | None


NEW_APP = Shape[NewClientApp](NewClientApp)
APP_SUBSCRIPTION = Shape[AppSubscription](AppSubscription)


@routes.add("GET /api/v1/client-apps", query=schemas.PAGE_QUERY, answers={200: ClientAppPage})
async def read_client_apps(call: Call) -> Response:
    """The caller's client apps, by key; an admin's are all."""
    query, cursors = call.query(schemas.PAGE_QUERY), call.services.cursors
    page = await list_client_apps(call.engine, call.caller, query.limit, cursors.read_name("client-apps", query.cursor))
    return answer_page([_app_json(app) for app in page.items], cursors.make("client-apps", page.next))


@routes.add("POST /api/v1/client-apps", body=NEW_APP, answers={201: MadeClientApp})
async def make_app(call: Call) -> Response:
    """Make a client app; the answer alone shows its secret."""
    body = await call.body(NEW_APP)
    app, secret = await make_client_app(call.engine, call.services.outside, call.caller, body.client_name)
    call.audit("client app made", app=app.key)
    return answer({"name": app.name, "apiKey": app.key, "apiSecret": secret}, 201)


@routes.add("DELETE /api/v1/client-apps/{apiKey}", answers={204: None})
async def delete_app(call: Call) -> Response:
    """Forget a client app and its subscriptions."""
    key = call.param("apiKey")
    await remove_client_app(call.engine, call.caller, key)
    call.audit("client app removed", app=key)
    return Response(status_code=204)


@routes.add("POST /api/v1/webhooks/subscribe", body=APP_SUBSCRIPTION, answers={200: Subscription, 201: Subscription})
async def subscribe_app(call: Call) -> Response:
    """Have an address told of an event, as the client app of `x-api-key` and `x-api-secret`; the same twice is one."""
    outside = call.services.outside
    given = call.headers.get("x-api-key", ""), call.headers.get("x-api-secret", "")
    app = await enter(call.engine, outside, *given)
    body = await call.body(APP_SUBSCRIPTION)
    row, is_new = await subscribe_as(call.engine, outside, app, body.url, body.key)
    return answer(subscription_json(row), 201 if is_new else 200)


def _app_json(app: ClientApp) -> dict[str, Any]:
    return {"name": app.name, "apiKey": app.key, "owner": app.owner, "createdAt": iso(app.created_at)}

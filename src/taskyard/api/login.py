"""Logging in with a browser: a one-use link, or a token; both become a session cookie."""

from __future__ import annotations

import math
from html import escape
from typing import Annotated
from urllib.parse import parse_qs

from msgspec import Meta
from starlette.responses import RedirectResponse, Response

from taskyard.api import schemas
from taskyard.api.auth import SESSION_COOKIE
from taskyard.api.authenticate import expiry_of
from taskyard.api.bodies import media_type, read_body, read_json
from taskyard.api.call import Call
from taskyard.api.pages import page
from taskyard.api.routing import Routes
from taskyard.api.services import Credential
from taskyard.api.shapes import Shape
from taskyard.errors import Forbidden, Malformed, Unauthorized
from taskyard.security.api_tokens import hash_api_token, is_api_token
from taskyard.security.origin import origin_allowed
from taskyard.security.session import Session

routes = Routes("People")

_FORM = "application/x-www-form-urlencoded"
_LONGEST_BODY = 16 * 1024
_HTML = {"text/html": {"schema": {"type": "string"}}}


class Login(schemas.Strict):
    """A token to log in with."""

    token: Annotated[str, Meta(min_length=1)]


class LoginQuery(schemas.Strict):
    """The token of a login link."""

    token: str | None = None


LOGIN = Shape[Login](Login)
LOGIN_QUERY = Shape[LoginQuery](LoginQuery)


@routes.add("GET /login", query=LOGIN_QUERY, answers={200: _HTML, 303: None, 401: _HTML})
async def show_login(call: Call) -> Response:
    """The login page; with the token of a link, the way in."""
    token = call.query(LOGIN_QUERY).token
    if token is None:
        return _login_page(call)
    caller = call.services.login_links.redeem(token, call.services.now())
    if caller is None:
        return _login_page(call, "This link was used before or is too old.")
    return let_in(call, Session(caller))


@routes.add("POST /login", media=_FORM, body=LOGIN, answers={303: None, 401: _HTML})
async def log_in(call: Call) -> Response:
    """Log in with a token."""
    check_origin(call)
    token = await _read_token(call)
    try:
        caller = await call.services.identify(Credential("bearer", token))
    except Unauthorized as error:
        return _login_page(call, error.message)
    session = Session(caller, hash_api_token(token) if is_api_token(token) else "")
    return let_in(call, session, lifetime=expiry_of(token) - call.services.now())


async def _read_token(call: Call) -> str:
    if media_type(call.headers) != _FORM:
        return LOGIN.parse(await read_json(call.headers, call.receive, _LONGEST_BODY)).token
    raw = await read_body(call.headers, call.receive, _LONGEST_BODY)
    try:
        fields = parse_qs(raw.decode("ascii"), max_num_fields=10)
    except ValueError:
        raise Malformed("The form cannot be read.") from None
    return LOGIN.parse({name: values[0] for name, values in fields.items()}).token.strip()


def check_origin(call: Call) -> None:
    """Raise Forbidden for a form that another's page has sent."""
    origin, allowed = call.headers.get("origin"), call.services.allowed_origins
    if origin is not None and not origin_allowed(origin, call.headers.get("host"), allowed):
        raise Forbidden("The form was sent from a page of another origin.")


def let_in(call: Call, session: Session, goal: str = "", lifetime: float = math.inf) -> Response:
    """A session for as long as sessions last, or what proved the caller does; on to the page `goal`."""
    services = call.services
    ttl = min(services.session_ttl, lifetime)
    response = RedirectResponse(goal or f"{call.root}/admin", 303)
    response.set_cookie(
        SESSION_COOKIE,
        services.sessions.issue(session, ttl, services.now()),
        max_age=int(ttl),
        path=call.root or "/",
        secure=call.scope["scheme"] == "https",
        httponly=True,
        samesite="strict",
    )
    return response


def _login_page(call: Call, problem: str | None = None) -> Response:
    told = "" if problem is None else f'<p class="error" role="alert">{escape(problem)}</p>'
    form = (
        f'<form method="post" action="{escape(call.root)}/login"><label>Token '
        '<input type="password" name="token" autocomplete="off" required autofocus></label> '
        "<button>Log in</button></form><p>The server prints a login link when it starts.</p>"
    )
    return page("Log in", told + form, 200 if problem is None else 401)

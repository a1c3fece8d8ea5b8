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
    next: str = ""


class LoginQuery(schemas.Strict):
    """The token of a login link; the page to go to then."""

    token: str | None = None
    next: str = ""


LOGIN = Shape[Login](Login)
LOGIN_QUERY = Shape[LoginQuery](LoginQuery)


@routes.add("GET /login", query=LOGIN_QUERY, answers={200: _HTML, 303: None, 401: _HTML})
async def show_login(call: Call) -> Response:
    """The login page; with the token of a link, the way in."""
    query = call.query(LOGIN_QUERY)
    if query.token is None:
        return _login_page(call, query.next)
    caller = call.services.login_links.redeem(query.token, call.services.now())
    if caller is None:
        return _login_page(call, query.next, "This link was used before or is too old.")
    return let_in(call, Session(caller), query.next)


@routes.add("POST /login", media=_FORM, body=LOGIN, answers={303: None, 401: _HTML})
async def log_in(call: Call) -> Response:
    """Log in with a token."""
    check_origin(call)
    given = await _read(call)
    token = given.token.strip()
    try:
        caller = await call.services.identify(Credential("bearer", token))
    except Unauthorized as error:
        return _login_page(call, given.next, error.message)
    session = Session(caller, hash_api_token(token) if is_api_token(token) else "")
    return let_in(call, session, given.next, expiry_of(token) - call.services.now())


@routes.add("POST /logout", answers={303: None})
async def log_out(call: Call) -> Response:
    """End the browser's session."""
    response = RedirectResponse(f"{call.root}/login", 303)
    response.delete_cookie(SESSION_COOKIE, path=call.root or "/")
    return response


async def _read(call: Call) -> Login:
    if media_type(call.headers) != _FORM:
        return LOGIN.parse(await read_json(call.headers, call.receive, _LONGEST_BODY))
    raw = await read_body(call.headers, call.receive, _LONGEST_BODY)
    try:
        fields = parse_qs(raw.decode("ascii"), max_num_fields=10)
    except ValueError:
        raise Malformed("The form cannot be read.") from None
    return LOGIN.parse({name: values[0] for name, values in fields.items()})


def check_origin(call: Call) -> None:
    """Raise Forbidden for a form that another's page has sent."""
    origin, allowed = call.headers.get("origin"), call.services.allowed_origins
    if origin is not None and not origin_allowed(origin, call.headers.get("host"), allowed):
        raise Forbidden("The form was sent from a page of another origin.")


def let_in(call: Call, session: Session, goal: str, lifetime: float = math.inf) -> Response:
    """A session for as long as sessions last, or what proved the caller does; on to `goal`, if that is a page of ours.

    The cookie is lax, so that links in mails and chats lead to what they name; a GET changes nothing, and writes
    show their origin.
    """
    services = call.services
    ttl = min(services.session_ttl, lifetime)
    response = RedirectResponse(goal if _is_ours(goal, call.root) else f"{call.root}/admin", 303)
    response.set_cookie(
        SESSION_COOKIE,
        services.sessions.issue(session, ttl, services.now()),
        max_age=int(ttl),
        path=call.root or "/",
        secure=call.scope["scheme"] == "https",
        httponly=True,
        samesite="lax",
    )
    return response


def _is_ours(goal: str, root: str) -> bool:
    """Whether it is a page of the interface, and not a way to another server."""
    return goal.startswith(f"{root}/admin") and goal.isascii() and goal.isprintable() and "\\" not in goal


def _login_page(call: Call, goal: str, problem: str | None = None) -> Response:
    told = "" if problem is None else f'<p class="error" role="alert">{escape(problem)}</p>'
    form = (
        f'<form method="post" action="{escape(call.root)}/login">'
        '<label for="token">Token</label>'
        '<input id="token" type="password" name="token" autocomplete="current-password" required autofocus>'
        f'<input type="hidden" name="next" value="{escape(goal)}"><button>Log in</button></form>'
        "<p>The server prints a login link when it starts; <code>taskyard token create</code> makes a token.</p>"
    )
    return page("Log in", told + form, 200 if problem is None else 401)

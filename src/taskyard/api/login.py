"""Logging in with a browser: a one-use link, a password or a token; each becomes a session cookie."""

from __future__ import annotations

import math
from html import escape
from typing import Annotated
from urllib.parse import parse_qs

import structlog
from msgspec import Meta
from starlette.responses import RedirectResponse, Response

from taskyard.api import schemas, texts
from taskyard.api.auth import SESSION_COOKIE, cookie_of
from taskyard.api.authenticate import expiry_of
from taskyard.api.bodies import media_type, read_body, read_json
from taskyard.api.call import Call
from taskyard.api.errors import error_response
from taskyard.api.login_forms import login_forms
from taskyard.api.pages import page
from taskyard.api.routing import Routes
from taskyard.api.services import Credential
from taskyard.api.shapes import Shape
from taskyard.domain.json import check
from taskyard.errors import Forbidden, Malformed, Overloaded, RateLimited, TaskyardError, Unauthorized
from taskyard.security.api_tokens import hash_api_token, is_api_token
from taskyard.security.origin import origin_allowed
from taskyard.security.passwords import LONGEST
from taskyard.security.session import Session

routes = Routes("People")

log = structlog.get_logger("taskyard.login")

_FORM = "application/x-www-form-urlencoded"
_LONGEST_BODY = 16 * 1024
_HTML = {"text/html": {"schema": {"type": "string"}}}


class Login(schemas.Strict):
    """A token to log in with."""

    token: Annotated[str, Meta(min_length=1)]
    next: str = ""


class PasswordLogin(schemas.Strict):
    """A name and a password to log in with."""

    user: Annotated[str, Meta(min_length=1, max_length=255)]
    password: Annotated[str, Meta(min_length=1, max_length=LONGEST)]
    next: str = ""


class LoginQuery(schemas.Strict):
    """The token of a login link; the page to go to then."""

    token: str | None = None
    next: str = ""


LOGIN = Shape[Login](Login)
PASSWORD_LOGIN = Shape[PasswordLogin](PasswordLogin)
LOGIN_QUERY = Shape[LoginQuery](LoginQuery)


@routes.add("GET /login", query=LOGIN_QUERY, answers={200: _HTML, 303: None, 401: _HTML})
async def show_login(call: Call) -> Response:
    """The login page; with the token of a link, the way in."""
    query = call.query(LOGIN_QUERY)
    if query.token is None:
        return await login_page(call, query.next)
    caller = call.services.login_links.redeem(query.token, call.services.now())
    if caller is None:
        return await login_page(call, query.next, Unauthorized(texts.LINK_OVER))
    return let_in(call, Session(caller), query.next)


@routes.add("POST /login", media=_FORM, body=LOGIN, answers={303: None, 401: _HTML, 429: _HTML})
async def log_in(call: Call) -> Response:
    """Log in with a token, or with `user` and `password`."""
    check_origin(call)
    given = await _read(call)
    try:
        if isinstance(given, PasswordLogin):
            return let_in(call, await _by_password(call, given), given.next)
        session = await _by_token(call, given.token.strip())
    except (Unauthorized, RateLimited, Overloaded) as error:
        log.warning("a login was refused", address=address_of(call), reason=error.message)
        user = given.user if isinstance(given, PasswordLogin) else ""
        return await login_page(call, given.next, error, user)
    return let_in(call, session, given.next, expiry_of(given.token.strip()) - call.services.now())


@routes.add("POST /logout", answers={303: None})
async def log_out(call: Call) -> Response:
    """End the browser's session, on all servers."""
    check_origin(call)
    services, cookie = call.services, cookie_of(call.headers.get("cookie"), SESSION_COOKIE)
    session = None if cookie is None else services.sessions.read(cookie, services.now())
    if cookie is not None and session is not None:
        until = await call.engine.store.now() + int(services.session_ttl * 1_000_000)
        await services.ended.end(cookie, session.caller.subject, until)
    response = RedirectResponse(f"{call.root}/login", 303)
    response.delete_cookie(SESSION_COOKIE, path=call.root or "/")
    return response


async def _by_token(call: Call, token: str) -> Session:
    caller = await call.services.identify(Credential("bearer", token))
    return Session(
        caller,
        hash_api_token(token) if is_api_token(token) else "",
        token if call.services.authenticator.may_end_early(token) else "",
    )


async def _by_password(call: Call, given: PasswordLogin) -> Session:
    if call.services.passwords is None:
        raise Unauthorized(texts.NO_PASSWORDS)
    proven = await call.services.passwords.prove(given.user, given.password, address_of(call))
    log.info("somebody logged in", by=proven.caller.subject, how="password")
    return Session(proven.caller, password=proven.mark)


def address_of(call: Call) -> str:
    """Where the call comes from; empty where that is not known."""
    client = call.scope.get("client")
    return "" if client is None else str(client[0])


async def _read(call: Call) -> Login | PasswordLogin:
    if media_type(call.headers) != _FORM:
        fields = await read_json(call.headers, call.receive, _LONGEST_BODY)
    else:
        raw = await read_body(call.headers, call.receive, _LONGEST_BODY)
        try:
            fields = {name: values[0] for name, values in parse_qs(raw.decode("ascii"), max_num_fields=10).items()}
        except ValueError:
            raise Malformed("The form cannot be read.") from None
        check(fields)
    by_password = isinstance(fields, dict) and "user" in fields
    return PASSWORD_LOGIN.parse(fields) if by_password else LOGIN.parse(fields)


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
        secure=is_encrypted(call),
        httponly=True,
        samesite="lax",
    )
    return response


def is_encrypted(call: Call) -> bool:
    """Whether browsers reach us by https: as is set, or as this one did."""
    return (call.services.public_url or f"{call.scope['scheme']}:").startswith("https:")


def _is_ours(goal: str, root: str) -> bool:
    """Whether it is a page of the interface, and not a way to another server."""
    return goal.startswith(f"{root}/admin") and goal.isascii() and goal.isprintable() and "\\" not in goal


async def login_page(call: Call, goal: str, problem: TaskyardError | None = None, user: str = "") -> Response:
    """What there is to log in with, and why it did not work just now."""
    told = "" if problem is None else f'<p class="error" role="alert">{escape(problem.message)}</p>'
    logins = call.services.passwords is not None and await call.engine.store.has_logins()
    openid = call.services.openid
    provider = None if openid is None else openid.client.name
    forms = login_forms(call.root, goal, with_password=logins, provider=provider, user=user)
    response = page(call, texts.LOGIN, told + forms)
    if problem is not None:
        answer = error_response(problem)
        response.status_code = answer.status_code
        response.headers.update({name: value for name, value in answer.headers.items() if name == "retry-after"})
    return response

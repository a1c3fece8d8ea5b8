"""Logging in at an OpenID provider: there and back again."""

from __future__ import annotations

from collections import Counter
from urllib.parse import parse_qsl

import msgspec
import structlog
from starlette.responses import RedirectResponse, Response

from taskyard.api import schemas, texts
from taskyard.api.auth import cookie_of
from taskyard.api.call import Call
from taskyard.api.login import address_of, is_encrypted, let_in, login_page
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.errors import ConfigurationError, TaskyardError, Unauthorized
from taskyard.security import encoding
from taskyard.security.oidc import Pending, new_pending
from taskyard.security.session import Session

routes = Routes("People")

log = structlog.get_logger("taskyard.login")

_COOKIE = "taskyard_openid"
_PLACE = "login/openid"
_SECONDS = 600
_LONGEST_GOAL = 1000
_MOST_FIELDS = 20
_BACK = "/login/openid/done"
_HTML = {"text/html": {"schema": {"type": "string"}}}


class Goal(schemas.Strict):
    """The page to go to then."""

    next: str = ""


GOAL = Shape[Goal](Goal)


@routes.add("GET /login/openid", query=GOAL, answers={303: None, 401: _HTML})
async def begin(call: Call) -> Response:
    """To the provider's login."""
    logins, goal = call.services.openid, call.query(GOAL).next
    if logins is None:
        return RedirectResponse(f"{call.root}/login", 303)
    goal = goal if goal.isascii() and len(goal) <= _LONGEST_GOAL else ""  # the cookie has to hold it
    pending = new_pending(goal, call.services.now() + _SECONDS)
    try:
        response = RedirectResponse(await logins.begin(_redirect_uri(call), pending), 303)
    except TaskyardError as error:
        return await _refused(call, goal, error)
    response.set_cookie(
        _COOKIE,
        encoding.encode(call.services.box.seal(msgspec.msgpack.encode(pending), _PLACE)),
        max_age=_SECONDS,
        path=f"{call.root}/login",
        secure=is_encrypted(call),
        httponly=True,
        samesite="lax",
    )
    return response


@routes.add(f"GET {_BACK}", answers={303: None, 401: _HTML})
async def finish(call: Call) -> Response:
    """Back from the provider, which may add to the address what it likes: the way in, once."""
    logins, pending = call.services.openid, _pending(call)
    if logins is None:
        return RedirectResponse(f"{call.root}/login", 303)
    goal = "" if pending is None else pending.goal
    try:
        if pending is None:
            raise Unauthorized(texts.TOO_LATE)
        caller = await logins.finish(pending, _answer(call), _redirect_uri(call), address_of(call))
        response = let_in(call, Session(caller), goal)
    except TaskyardError as error:
        response = await _refused(call, goal, error)
    else:
        log.info("somebody logged in", how="openid")
    response.delete_cookie(_COOKIE, path=f"{call.root}/login")
    return response


async def _refused(call: Call, goal: str, error: TaskyardError) -> Response:
    log.warning("a login was refused", reason=error.message)
    return await login_page(call, goal, error)


def _answer(call: Call) -> dict[str, str]:
    """The query; what comes twice counts as not given (RFC 6749, section 3.1)."""
    raw = call.scope["query_string"].decode("latin-1")
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Unauthorized(texts.TOO_MANY_FIELDS) from None
    times = Counter(name for name, _ in pairs)
    return {name: value for name, value in pairs if times[name] == 1}


def _pending(call: Call) -> Pending | None:
    cookie = cookie_of(call.headers.get("cookie"), _COOKIE)
    if cookie is None:
        return None
    try:
        return msgspec.msgpack.decode(call.services.box.open(encoding.decode(cookie), _PLACE), type=Pending)
    except (ValueError, ConfigurationError):
        return None


def _base(call: Call) -> str:
    """Where the browser reaches us: as is set, or as it did this time."""
    return call.services.public_url or f"{call.scope['scheme']}://{call.headers['host']}{call.root}"


def _redirect_uri(call: Call) -> str:
    return f"{_base(call)}{_BACK}"

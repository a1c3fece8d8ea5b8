"""The guard before every route: who asks, from where, and by which name they call us. Closed unless it is public."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlencode

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from taskyard.api.access import PUBLIC_PATHS
from taskyard.api.services import ApiServices, Credential
from taskyard.errors import Forbidden, Malformed, Unauthorized
from taskyard.security.caller import Caller
from taskyard.security.origin import host_allowed, origin_allowed

SESSION_COOKIE = "taskyard_session"
SUBPROTOCOL = "bearer."

_CALLER, _CREDENTIAL = "taskyard.caller", "taskyard.credential"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_CREDENTIAL_NEEDED = "This needs a credential: send Authorization: Bearer with a token, or log in."


class _Headers(NamedTuple):
    """The headers that decide."""

    host: str | None
    origin: str | None
    authorization: str | None
    cookie: str | None


_NAMES = tuple(name.encode() for name in _Headers._fields)


class Guard:
    """Lets nobody through to a route that is not public unless they say who they are, and from an address of ours."""

    def __init__(self, app: ASGIApp, services: ApiServices) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection. Raises Malformed, Unauthorized, Forbidden, Overloaded."""
        if scope["type"] != "lifespan":
            try:
                await self._admit(scope)
            except Unauthorized:
                if not _is_page(scope):
                    raise
                await RedirectResponse(_login_for(scope), 303)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _admit(self, scope: Scope) -> None:
        headers = _read(scope)
        allowed = self._services.allowed_origins
        if not host_allowed(headers.host, allowed):
            raise Forbidden(
                f"This server is not called {headers.host!r}; add the name to TASKYARD_ALLOWED_HOSTS if it should be."
            )
        if path_of(scope) in PUBLIC_PATHS:
            return
        credential = _credential(scope, headers)
        if credential is None:
            raise Unauthorized(_CREDENTIAL_NEEDED)
        caller = await self._services.identify(credential)
        if _needs_origin(scope, headers, credential) and not origin_allowed(headers.origin, headers.host, allowed):
            raise Forbidden("The request comes from a page of another origin.")
        scope[_CALLER], scope[_CREDENTIAL] = caller, credential


def caller_of(scope: Scope) -> Caller:
    """Who the guard let through. Raises Unauthorized where it asked nobody."""
    caller = scope.get(_CALLER)
    if not isinstance(caller, Caller):
        raise Unauthorized(_CREDENTIAL_NEEDED)
    return caller


def credential_of(scope: Scope) -> Credential:
    """What that caller brought, to ask again later whether it still holds."""
    credential: Credential = scope[_CREDENTIAL]
    return credential


def cookie_of(header: str | None, wanted: str) -> str | None:
    """The cookie of this name in the header, the first if there are several."""
    for pair in (header or "").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == wanted:
            return value
    return None


def path_of(scope: Scope) -> str:
    """The path below the place where this application is mounted."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path.removeprefix(root) if root and path.startswith(f"{root}/") else path


def bearer_protocol(scope: Scope) -> str | None:
    """The subprotocol a socket's client brought its token in."""
    return next((name for name in scope.get("subprotocols", ()) if name.startswith(SUBPROTOCOL)), None)


def _is_page(scope: Scope) -> bool:
    """Whether a person's browser asks, who is better sent to the login than told a code."""
    if scope["type"] != "http" or scope["method"] != "GET" or path_of(scope).startswith("/api/"):
        return False
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


def _login_for(scope: Scope) -> str:
    """The login, which leads to the page that was asked for."""
    root, path = scope.get("root_path", ""), path_of(scope)
    if not path.startswith("/admin/"):
        return f"{root}/login"
    query = scope["query_string"].decode("latin-1")
    return f"{root}/login?" + urlencode({"next": f"{root}{path}" + (f"?{query}" if query else "")})


def _read(scope: Scope) -> _Headers:
    found: dict[bytes, str | None] = dict.fromkeys(_NAMES)
    for name, value in scope["headers"]:
        if name in found:
            if found[name] is not None:
                raise Malformed(f"The header {name.decode()} came more than once.")
            found[name] = value.decode("latin-1")
    return _Headers(*found.values())


def _credential(scope: Scope, headers: _Headers) -> Credential | None:
    """A bearer token before a cookie, so that a page's cookie never stands in for a token that was refused."""
    if headers.authorization is not None:
        scheme, _, token = headers.authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized("Authorization has to be Bearer with a token.")
        return Credential("bearer", token.strip())
    protocol = bearer_protocol(scope)
    if protocol is not None:
        return Credential("bearer", protocol.removeprefix(SUBPROTOCOL))
    cookie = cookie_of(headers.cookie, SESSION_COOKIE)
    return None if cookie is None else Credential("cookie", cookie)


def _needs_origin(scope: Scope, headers: _Headers, credential: Credential) -> bool:
    """Cookies come by themselves, so their writes must show an origin; sockets are checked whenever one is shown."""
    by_cookie = credential.kind == "cookie"
    if scope["type"] == "websocket":
        return by_cookie or headers.origin is not None
    return by_cookie and scope["method"] not in _SAFE_METHODS

"""Routing: what a route declares of itself, and the one place where its access is checked before it runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from taskyard.api.access import ACCESS, Access
from taskyard.api.auth import caller_of
from taskyard.api.call import Call
from taskyard.api.services import ApiServices
from taskyard.api.shapes import Shape
from taskyard.errors import ConfigurationError, NotFound
from taskyard.security.caller import Caller

H = TypeVar("H", bound=Callable[..., Awaitable[Response | None]])

SOCKET = "SOCKET"
NOBODY = Caller("")


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method on one path. `answers` maps a status to the type of its JSON, or to its content by media type.

    `deep`: what stands last in the path may hold slashes.
    """

    method: str
    path: str
    handler: Callable[..., Any]
    tag: str
    summary: str
    query: Shape[Any] | None = None
    body: Shape[Any] | None = None
    body_optional: bool = False
    media: str = "application/json"
    deep: bool = False
    answers: Mapping[int, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The row it has in the access table."""
        return f"{self.method} {self.path}"

    @property
    def route(self) -> str:
        """The path as Starlette matches it."""
        return f"{self.path.removesuffix('}')}:path}}" if self.deep else self.path

    @property
    def access(self) -> Access:
        """Who may use it. Raises ConfigurationError where the table does not say."""
        found = ACCESS.get(self.name)
        if found is None:
            raise ConfigurationError(f"the route {self.name} has no row in the access table")
        return found


class Routes:
    """The operations of one resource, collected by decorating their handlers."""

    def __init__(self, tag: str) -> None:
        self._tag = tag
        self.operations: list[Operation] = []

    def add(self, name: str, **about: Any) -> Callable[[H], H]:
        """Serve `name`, such as `GET /healthz`, by the decorated handler; `about` as in `Operation`.

        Handlers take the call and answer it; that of a `SOCKET` takes the socket as well, and accepts it.
        """
        method, _, path = name.partition(" ")

        def register(handler: H) -> H:
            summary = (handler.__doc__ or "").strip().partition("\n")[0]
            operation = Operation(method=method, path=path, handler=handler, tag=self._tag, summary=summary, **about)
            self.operations.append(operation)
            return handler

        return register


class _Endpoint:
    """All methods of one path."""

    def __init__(self, services: ApiServices, operations: Iterable[Operation]) -> None:
        self._services = services
        self._operations = {operation.method: (operation.handler, operation.access) for operation in operations}
        self._allow = ", ".join(sorted(self._operations))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._operations.get(scope["method"])
        if found is None:
            await Response(status_code=405, headers={"Allow": self._allow})(scope, receive, send)
            return
        handler, access = found
        call = Call(self._services, _admitted(scope, access), access, scope, receive)
        try:
            response = await handler(call)
        finally:
            await call.write_journal()
        await response(scope, receive, send)


class _SocketEndpoint:
    """The WebSocket of one path."""

    def __init__(self, services: ApiServices, operation: Operation) -> None:
        self._services = services
        self._handler = operation.handler
        self._access = operation.access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = Call(self._services, _admitted(scope, self._access), self._access, scope, receive)
        await self._handler(WebSocket(scope, receive, send), call)


def _admitted(scope: Scope, access: Access) -> Caller:
    if access.public:
        return NOBODY
    caller = caller_of(scope)
    access.check(caller)
    return caller


def build_routes(services: ApiServices, operations: list[Operation]) -> list[BaseRoute]:
    """The routes, the more specific path first.

    Raises ConfigurationError unless operations and access table are the same set.
    """
    unserved = ACCESS.keys() - {operation.name for operation in operations}
    if unserved:
        raise ConfigurationError(f"the access table has rows without a route: {', '.join(sorted(unserved))}")
    by_path: defaultdict[str, list[Operation]] = defaultdict(list)
    routes: list[BaseRoute] = []
    for operation in sorted(operations, key=_by_specificity):
        if operation.method == SOCKET:
            routes.append(WebSocketRoute(operation.path, _SocketEndpoint(services, operation)))
        else:
            by_path[operation.route].append(operation)
    return routes + [Route(path, _Endpoint(services, group)) for path, group in by_path.items()]


def _by_specificity(operation: Operation) -> tuple[int, int]:
    """Fewer parameters first, and of equally many the longer beginning without one."""
    return operation.path.count("{"), -operation.path.find("{")


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """What is served where there is no route."""
    raise NotFound("There is no such address; /docs lists those there are.")

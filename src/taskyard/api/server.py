"""The application: all routes behind the guard, and nothing else."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskyard.api import (
    admin,
    camunda,
    changes,
    client_apps,
    connections,
    dead_letters,
    deeds,
    definitions,
    deliveries,
    docs,
    event_letters,
    events,
    failures,
    forms,
    histories,
    inbox,
    integrations,
    interface,
    leases,
    live,
    login,
    many,
    mappings,
    notifications,
    openid,
    operations,
    people,
    people_directory,
    queues,
    recent,
    schedules,
    server_settings,
    sign_in,
    subscriptions,
    task_lists,
    task_story,
    tasks,
    triggers,
    uploads,
    views,
    work_metrics,
    workflows,
)
from taskyard.api.auth import Guard
from taskyard.api.errors import ErrorBoundary
from taskyard.api.openapi import make_document
from taskyard.api.routing import Operation, build_routes, not_found
from taskyard.api.services import ApiServices
from taskyard.api.shapes import JsonObject

_RESOURCES = (
    tasks.internal, people.internal,
    leases.routes, connections.internal, task_lists.internal, queues.internal, dead_letters.routes,
    tasks.routes, task_lists.routes, task_story.routes, histories.routes, recent.routes, many.routes, views.routes,
    people.routes, forms.routes, inbox.routes, notifications.routes, people_directory.routes,
    definitions.routes, schedules.routes, queues.routes, failures.routes, dead_letters.public,
    connections.routes, integrations.routes,
    subscriptions.routes, deliveries.routes, client_apps.routes,
    workflows.routes, camunda.routes,
    triggers.routes, events.routes, event_letters.routes, deeds.routes, mappings.routes, uploads.routes,
    admin.routes, interface.routes, login.routes, openid.routes, sign_in.routes,
    work_metrics.routes, live.routes, changes.routes,
    operations.routes, server_settings.routes, docs.routes,
)  # fmt: skip

_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]


def all_operations() -> list[Operation]:
    """Every operation there is."""
    return [operation for resource in _RESOURCES for operation in resource.operations]


def create_api(services: ApiServices) -> FastAPI:
    """The application that serves everything in the access table.

    Raises ConfigurationError when a route has no row there, or a row no route.
    """
    operations_ = all_operations()
    app = _Application(services, operations_)
    app.router.routes[:] = build_routes(services, operations_)
    app.router.default = not_found
    return app


class _Application(FastAPI):
    """FastAPI as a shell: its own routes and documents are off, ours are told from the operations."""

    def __init__(self, services: ApiServices, operations_: list[Operation]) -> None:
        super().__init__(
            title="Taskyard",
            version=services.version,
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
        )
        self._services = services
        self._operations = operations_
        self._document: JsonObject | None = None

    def build_middleware_stack(self) -> ASGIApp:
        """Ours, and what was added: the layers that FastAPI needs for its own routes cost a third of the speed."""
        stack: ASGIApp = SafeHeaders(ErrorBoundary(Guard(self.router, self._services)))
        for middleware in reversed(self.user_middleware):
            stack = middleware.cls(stack, *middleware.args, **middleware.kwargs)
        return stack

    def openapi(self) -> JsonObject:
        """The OpenAPI document, made when it is first asked for."""
        if self._document is None:
            self._document = make_document(self._operations, self.version)
        return self._document


class SafeHeaders:
    """Adds to every answer the headers that keep browsers from misusing it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""

        async def send_safely(message: Message) -> None:
            if message["type"].endswith("response.start"):
                given = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(h for h in _HEADERS if h[0] not in given)]
            await send(message)

        await self._app(scope, receive, send_safely)

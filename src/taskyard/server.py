"""The server: the HTTP API of an app, alone or with workers it supervises."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import structlog
import uvicorn
from starlette.types import ASGIApp

from taskyard.api.authenticate import ADMIN_SUBJECT, Authenticator
from taskyard.api.cursors import Cursors
from taskyard.api.server import create_api
from taskyard.api.services import ApiServices
from taskyard.app import VERSION, App
from taskyard.errors import ConfigurationError
from taskyard.interface.built import load_interface
from taskyard.security.caller import ADMIN, Caller
from taskyard.security.jwks import fetching
from taskyard.security.keys import derive, load_or_create_admin_token
from taskyard.security.lease import LeaseSigner
from taskyard.security.links import LinkSigner
from taskyard.security.oidc import OpenIdClient, OpenIdLogins
from taskyard.security.origin import loopback_origins
from taskyard.security.session import LoginLinks, SessionSigner
from taskyard.services.auth import AuthService
from taskyard.settings.masking import shown
from taskyard.supervisor import Supervisor

_ISSUERS = ("TASKYARD_JWT_SECRET", "TASKYARD_JWKS_URL", "TASKYARD_AUTH_SERVICE_URL", "TASKYARD_OIDC_ISSUER")
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

log = structlog.get_logger("taskyard.server")


class Address(NamedTuple):
    """Where the server listens, and the link by which its admin logs in (None: tokens come from elsewhere)."""

    url: str
    login_link: str | None
    services: ApiServices


def make_services(app: App, host: str, port: int) -> ApiServices:
    """What the API works with. Raises ConfigurationError for an open address without authentication."""
    settings = app.settings
    if host not in LOOPBACK and not any(settings[name] for name in _ISSUERS):
        raise ConfigurationError(
            f"TASKYARD_HOST is {host}, which others can reach, but nobody could be told apart: "
            "set TASKYARD_JWT_SECRET, TASKYARD_JWKS_URL, TASKYARD_AUTH_SERVICE_URL or TASKYARD_OIDC_ISSUER, or bind to"
            " 127.0.0.1"
        )
    master = app.master_key
    return ApiServices(
        engine=app.engine,
        outside=app.outside,
        egress=lambda: app.egress,
        watcher=app.watcher,
        directory=app.directory,
        people_elsewhere=bool(app.settings["TASKYARD_USER_SERVICE_URL"]),
        authenticator=_authenticator(app),
        openid=_openid(app),
        public_url=settings["TASKYARD_URL"].rstrip("/"),
        trace_url=settings["TASKYARD_TRACE_URL"],
        leases=LeaseSigner(derive(master, "lease")),
        sessions=SessionSigner(derive(master, "session")),
        login_links=LoginLinks(),
        links=LinkSigner(derive(master, "links")),
        cursors=Cursors(derive(master, "cursor")),
        allowed_origins=_origins(app, host, port),
        version=VERSION,
        orchestrators=app.orchestrators,
        interface=load_interface(),
        max_body=settings["TASKYARD_MAX_BODY"],
        websocket_enabled=settings["TASK_WEBSOCKET_ENABLED"],
        buffer_size=settings["TASK_BUFFER_SIZE"],
        dependencies=app.dependencies,
        integrations=lambda: app.integrations,
        box=app.box,
        request_stop=app.request_stop,
        settings=lambda: shown(settings),
    )


def _authenticator(app: App) -> Authenticator:
    settings, auth = app.settings, app.service("auth")
    folder = Path(settings["TASKYARD_DATA_DIR"])
    return Authenticator(
        app.engine.store,
        admin_token=load_or_create_admin_token(folder),
        jwt_secret=settings["TASKYARD_JWT_SECRET"],
        jwks_url=settings["TASKYARD_JWKS_URL"],
        issuer=settings["TASKYARD_JWT_ISSUER"],
        audience=settings["TASKYARD_JWT_AUDIENCE"],
        fetch=fetching(lambda: app.egress),
        auth_service=None if auth is None else AuthService(auth),
    )


def _openid(app: App) -> OpenIdLogins | None:
    """Where people log in besides. Raises ConfigurationError for a provider without a client id."""
    settings = app.settings
    if not settings["TASKYARD_OIDC_ISSUER"]:
        return None
    if not settings["TASKYARD_OIDC_CLIENT_ID"]:
        raise ConfigurationError("TASKYARD_OIDC_ISSUER is set without TASKYARD_OIDC_CLIENT_ID; set what we are there")
    names = ("ISSUER", "CLIENT_ID", "CLIENT_SECRET", "SCOPE", "SUBJECT", "GROUPS", "RIGHTS", "NAME")
    client = OpenIdClient(*(settings[f"TASKYARD_OIDC_{name}"] for name in names))
    return OpenIdLogins(client, lambda: app.egress, time.time)


def make_asgi(app: App) -> ASGIApp:
    """The API as an ASGI application to mount into another; who mounts it opens the app."""
    settings = app.settings
    return create_api(make_services(app, settings["TASKYARD_HOST"], settings["TASKYARD_PORT"]))


async def serve(
    app: App,
    *,
    host: str,
    port: int,
    target: str | None = None,
    worker: bool = True,
    ready: Callable[[Address], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, or until `stop` is set; `worker` also runs the tasks of `target` here.

    `ready` is called once the server answers. Raises ConfigurationError when the port is taken.
    """
    stop = stop or app.stopping
    with _listening(host, port) as listener:
        services = make_services(app, host, listener.getsockname()[1])
        async with app.keeping(), _answering(services, listener) as url, _workers(app, target, worker):
            if ready is not None:
                ready(Address(url, _login_link(services, url), services))
            with _signals(stop):
                await stop.wait()
            app.stopping.set()
            services.closing.set()


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _listening(host: str, port: int) -> socket.socket:
    """A bound socket. Raises ConfigurationError when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another with --port or TASKYARD_PORT"
        ) from None
    return listener


@contextlib.asynccontextmanager
async def _answering(services: ApiServices, listener: socket.socket) -> AsyncIterator[str]:
    """Uvicorn on the socket; signals are ours to handle."""
    config = uvicorn.Config(
        create_api(services), log_config=None, access_log=False, lifespan="off", ws_max_size=1 << 20,
        timeout_graceful_shutdown=5, server_header=False,
    )  # fmt: skip
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="taskyard-server")
    try:
        while not server.started:
            if serving.done():
                await serving
            await asyncio.sleep(0.01)
        host, port = listener.getsockname()[:2]
        yield f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    finally:
        services.closing.set()
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


@contextlib.asynccontextmanager
async def _workers(app: App, target: str | None, wanted: bool) -> AsyncIterator[None]:
    if not wanted:
        yield
        return
    supervisor = Supervisor(app, target)
    running = asyncio.create_task(supervisor.run(), name="taskyard-supervisor")
    try:
        yield
    finally:
        supervisor.stop()
        await running


def _origins(app: App, host: str, port: int) -> frozenset[str]:
    """The addresses this server answers under."""
    names = [host, *app.settings["TASKYARD_ALLOWED_HOSTS"]]
    named = {f"{scheme}://{name}" for name in names for scheme in ("http", "https")}
    named |= {f"http://{name}:{port}" for name in names if ":" not in name}
    public = app.settings["TASKYARD_URL"].rstrip("/")
    return frozenset(loopback_origins(port)) | named | ({public} if public else set())


def _login_link(services: ApiServices, url: str) -> str:
    """A link that logs the admin in once."""
    admin = Caller(ADMIN_SUBJECT, frozenset({ADMIN}))
    return f"{url}/login?token={services.login_links.create(admin, services.now())}"

"""Getting the packages that code depends on: once for each lock, whoever asks for them."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from taskyard.domain.dependencies import Dependencies, is_python
from taskyard.domain.isolation import BUBBLEWRAP
from taskyard.executors.script.sandbox.jail import Bind, Engine
from taskyard.executors.script.sandbox.packages import installing, npm, python
from taskyard.executors.script.sandbox.packages.installing import PACKAGES, Installer, Uninstallable
from taskyard.executors.script.sandbox.packages.store import OPEN, Store

NONE = "none"
_HASH = "sha256:"
_TRIES = 3
_AT_ONCE = 2  # installations take minutes, and must not keep others from the threads that all share
INSIDE = "/jail/packages"
Publish = Callable[[Path], Path]


class Origin(NamedTuple):
    """Where packages come from: an index of Python's, a registry of npm's, by this proxy. Empty: the public one.

    `folder`: where they are kept, in `most_mb` MiB at most.
    """

    python_index: str
    npm_registry: str
    folder: Path
    most_mb: float
    proxy: str = ""


class Installed(NamedTuple):
    """Packages that are there: their folder on this machine, the hash of their lock, and when they were put there."""

    folder: Path
    lock: str
    since: int


class Packages:
    """The packages of one process. `publish`: gives a program where installers' and jails' users can read it;
    None where these are ourselves.
    """

    def __init__(self, origin: Origin | None, publish: Publish | None) -> None:
        self._origin = origin or Origin(NONE, NONE, Path(), 0)
        self._publish = publish
        self._store = Store(self._origin.folder, self._origin.most_mb)
        self._stop = threading.Event()
        self._getting: dict[str, asyncio.Future[str]] = {}
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="taskyard-packages")

    async def get(self, wanted: Dependencies, engine: Engine) -> Installed | None:
        """What is wanted, for this engine, kept until it is released; None where that is no package.

        Raises Uninstallable.

        Who is cancelled meanwhile lets it go on.
        """
        where = self._origin.npm_registry if engine.name == "deno" else self._origin.python_index
        if engine.name == "python" and not is_python(wanted.python, engine.version):
            here = ".".join(map(str, engine.version))
            raise Uninstallable(f"the source asks for Python {wanted.python}, and jails have {here}")
        if not wanted.packages:
            return None
        if where == NONE:
            raise Uninstallable("no packages are installed here; the operator has set no index to get them from")
        wish = _digest(json.dumps([wanted, engine.name, engine.argv[0], where]))
        for _ in range(_TRIES):
            name = await self._got(wish, wanted, engine)
            folder = self._store.hold(name)
            if folder is not None:
                packages = folder / PACKAGES
                return Installed(packages, f"{_HASH}{name}", packages.stat().st_ctime_ns)
            self._getting.pop(wish, None)  # it was removed meanwhile
        raise Uninstallable("the packages were removed as soon as they were there", retryable=True)

    def release(self, installed: Installed) -> None:
        """Who got it does not need it any more."""
        self._store.release(installed.lock.removeprefix(_HASH))

    async def _got(self, wish: str, wanted: Dependencies, engine: Engine) -> str:
        """The name of the lock that the wish leads to, installed a moment ago at least."""
        getting = self._getting.get(wish)
        if getting is None or (getting.done() and (getting.cancelled() or getting.exception() is not None)):
            getting = asyncio.get_running_loop().run_in_executor(self._threads, self._get, wish, wanted, engine)
            self._getting[wish] = getting
            getting.add_done_callback(_look_at)
        return await asyncio.shield(getting)

    def shown(self, engine: Engine, wanted: Dependencies, installed: Installed, tier: str) -> Engine:
        """The engine with these packages, in a jail of this tier."""
        inside = INSIDE if tier == BUBBLEWRAP else str(installed.folder)
        bind = Bind(str(installed.folder), inside)
        if engine.name == "deno":
            return npm.shown(engine, bind, self._origin.npm_registry, wanted)
        return python.shown(engine, bind)

    async def stop(self) -> None:
        """End what is being installed, and let go of the rest."""
        self._stop.set()
        await asyncio.gather(*self._getting.values(), return_exceptions=True)
        self._getting.clear()
        self._store.close()
        self._stop.clear()

    def _get(self, wish: str, wanted: Dependencies, engine: Engine) -> str:
        try:
            with contextlib.ExitStack() as held:
                self._store.open(for_all=self._publish is not None)
                name = self._store.locked(wish)
                return name if self._has(name, held) else self._made(wish, wanted, engine, held)
        except OSError as error:
            raise Uninstallable(f"the packages cannot be kept: {error}", retryable=True) from error

    def _has(self, name: str, held: contextlib.ExitStack) -> bool:
        """Whether it is installed, and then kept as long as the stack is open."""
        if not name or self._store.hold(name) is None:
            return False
        held.callback(self._store.release, name)
        return True

    def _made(self, wish: str, wanted: Dependencies, engine: Engine, held: contextlib.ExitStack) -> str:
        """Install what is wanted; the name under which it is kept."""
        with self._store.making() as (folder, room):
            work = folder / "work"
            packages = work / PACKAGES
            packages.mkdir(parents=True)
            packages.chmod(OPEN)
            environment = {"PATH": "/usr/bin:/bin", "HOME": str(work), "LANG": "C.UTF-8"}
            environment |= _by(self._origin.proxy) | _trusting(os.environ.get("SSL_CERT_FILE", ""))
            if engine.name == "deno":
                environment |= npm.environment(self._origin.npm_registry, str(packages))
            installer = Installer(work, room, environment, self._stop)
            name = self._installed(installer, wanted, engine, held)
            if not self._has(name, held):
                installer.check_size()
                installing.take_back(packages)
                if self._store.keep(packages, name) is not None:
                    held.callback(self._store.release, name)
            self._store.remember(wish, name)
        return name

    def _installed(self, installer: Installer, wanted: Dependencies, engine: Engine, held: contextlib.ExitStack) -> str:
        """The name of the lock, with what it says in `packages`, where that is not kept already."""
        if engine.name == "deno":
            return _digest("npm", npm.install(installer, Path(engine.binds[0].outside), wanted).decode())
        uv = python.find_uv()
        uv = uv if self._publish is None else self._publish(uv)
        index = self._origin.python_index
        lock = python.resolve(installer, uv, engine.argv[0], index, wanted)
        name = _digest("python", engine.argv[0], lock.decode())
        if not self._has(name, held):
            python.install(installer, uv, engine.argv[0], index, lock)
        return name


def _look_at(getting: asyncio.Future[str]) -> None:
    """Whoever waited for it may be gone, and with it the one who would have looked at its error."""
    if not getting.cancelled():
        getting.exception()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _by(proxy: str) -> dict[str, str]:
    names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
    return dict.fromkeys(names, proxy) if proxy else {}


def _trusting(authorities: str) -> dict[str, str]:
    """Whose certificates are trusted, as uv and Deno want to be told it; their own authorities where this is empty."""
    return dict.fromkeys(("SSL_CERT_FILE", "DENO_CERT"), authorities) if authorities else {}

"""A real PostgreSQL server for tests: quick to start, on loopback only, gone when the test run is."""

import atexit
import contextlib
import itertools
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote, unquote, urlsplit

import psycopg
from psycopg.sql import SQL, Composed, Identifier

from tests.servers.binaries import Account, PostgresUnavailableError, locate, scratch_directory
from tests.servers.ports import can_listen, free_port
from tests.servers.watchdog import Watchdog, alive, family, send, signal_family
from tests.support import eventually_blocking, halt

Mode = Literal["fast", "immediate", "killed"]
"""How to stop: ending the sessions and writing everything out, like a crash, or by `kill -9` of all its processes."""

Setting = str | int | float | bool
"""The value of a server setting."""

_SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}
_PATIENCE = 60.0
_PORT_TRIES = 5
_ALWAYS: dict[str, Setting] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": 200,
}
_FORGETFUL: dict[str, Setting] = {"fsync": False, "full_page_writes": False}
"""Committed rows survive the death of the server's processes, not that of the machine."""


class PostgresServer:
    """One server process with a data directory of its own; make it with `start`.

    It keeps its port over restarts. Its superuser is `postgres`, without a password. As root it runs as
    `nobody`. When this process ends, in whatever way, the server ends and its files are removed.
    """

    def __init__(self, *, account: Account, directory: Path, watchdog: Watchdog) -> None:
        self._account = account
        self.directory = directory
        self._watchdog = watchdog
        self._data = directory / "data"
        self._log_file = directory / "log"
        self._programs = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._templates: dict[str, str] = {}
        self.port = 0

    @classmethod
    def start(cls, *, durable: bool = False, settings: Mapping[str, Setting] | None = None) -> Self:
        """Make an empty cluster (UTF-8, C.UTF-8, UTC) and start it; `settings` are those of postgresql.conf.

        Unless `durable`, nothing is flushed to disk, which is what makes it quick.

        Raises:
            PostgresUnavailableError: no PostgreSQL is installed, or it does not start.
        """
        account = Account.for_servers()
        directory = scratch_directory(account)
        server = cls(account=account, directory=directory, watchdog=Watchdog(directory))
        atexit.register(server.close)
        try:
            server._initialise(_ALWAYS | ({} if durable else _FORGETFUL) | dict(settings or {}))
            server._start_on_a_free_port()
        except BaseException:
            server.close()
            raise
        return server

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def log(self) -> str:
        """What the server has written to its log."""
        return self._log_file.read_text(errors="replace")

    def dsn(self, database: str = "postgres") -> str:
        """The URL of a database of this server, existing or not."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{quote(database, safe='')}"

    # Databases

    def create_database(self, prefix: str = "test", *, template: str = "template0") -> str:
        """Make a database with a name not used before, and return its DSN."""
        name = f"{prefix}_{next(self._numbers)}"
        # The strategy wal_log, PostgreSQL's default, takes about twice as long.
        create = SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
        self._execute(create.format(Identifier(name), Identifier(template)))
        return self.dsn(name)

    def template(self, name: str, setup: Callable[[str], None]) -> str:
        """Prepare a database once, to be cloned with `create_database(template=…)`; returns its name.

        `setup` gets the DSN of an empty database at the first call with this `name`; its sessions are ended.
        """
        if name not in self._templates:
            dsn = self.create_database(name)
            try:
                setup(dsn)
                self.terminate_backends(dsn)  # a database with sessions cannot be cloned
            except BaseException:
                self.drop_database(dsn)
                raise
            self._templates[name] = _name(dsn)
        return self._templates[name]

    def drop_database(self, database: str) -> None:
        """Remove a database, given by name or DSN, with its sessions; nothing happens if there is none."""
        self._execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(_name(database))))

    def terminate_backends(self, database: str) -> int:
        """End all sessions of a database, given by name or DSN; returns how many there were."""
        sessions = "FROM pg_stat_activity WHERE datname = {} AND pid <> pg_backend_pid()"
        statement = SQL("SELECT pg_terminate_backend(pid, 5000) " + sessions)
        return self._execute(statement.format(_name(database)))

    # The process

    @property
    def running(self) -> bool:
        """Whether the server process is there, paused or not."""
        return self._process is not None and self._process.poll() is None

    def stop(self, mode: Mode = "fast") -> None:
        """Stop the server, resuming it first if it is paused, and keep its data."""
        process, self._process = self._process, None
        if process is None:
            return
        if mode == "killed":
            _kill(process.pid)
        elif process.poll() is None:
            process.send_signal(_SIGNALS[mode])
            signal_family(process.pid, signal.SIGCONT)
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            signal_family(process.pid, signal.SIGKILL)
            process.wait()
        self._watchdog.guard(0)

    def start_again(self) -> None:
        """Start a stopped server on its data and its port, and wait until it has recovered.

        Raises:
            PostgresUnavailableError: it does not start.
        """
        if self.running:
            raise RuntimeError("the server is running")
        self._launch()

    def restart(self, mode: Mode = "fast") -> None:
        """Stop and start again."""
        self.stop(mode)
        self.start_again()

    def pause(self) -> None:
        """Freeze all processes of the server: connections stay open and nothing answers until `resume`."""
        stopped: set[int] = set()
        while running := [pid for pid in family(self._pid) if pid not in stopped]:
            for pid in running:
                _halt(pid)
            stopped.update(running)

    def resume(self) -> None:
        """Let a paused server go on."""
        signal_family(self._pid, signal.SIGCONT)

    def ensure_running(self) -> None:
        """Resume a paused server, start a stopped one."""
        if self.running:
            self.resume()
        else:
            self.restart()

    def close(self) -> None:
        """Stop the server for good and remove its files."""
        atexit.unregister(self.close)
        self.stop("immediate")
        self._watchdog.close()

    # Inside

    @property
    def _pid(self) -> int:
        if self._process is None:
            raise RuntimeError("the server is stopped")
        return self._process.pid

    def _execute(self, statement: Composed) -> int:
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            return connection.execute(statement).rowcount

    def _initialise(self, settings: Mapping[str, Setting]) -> None:
        self._log_file.touch()
        self._programs = locate(self._account, self.directory)
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        command = [str(self._programs / "initdb"), f"--pgdata={self._data}", *options]
        self._account.run(command, started=self._watchdog.guard)
        self._watchdog.guard(0)
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {_quoted(value)}\n" for name, value in settings.items())

    def _start_on_a_free_port(self) -> None:
        for tries_left in reversed(range(_PORT_TRIES)):
            self.port = free_port()
            try:
                self._launch()
            except PostgresUnavailableError:
                if not tries_left or can_listen(self.port):
                    raise
            else:
                return

    def _launch(self) -> None:
        command = [str(self._programs / "postgres"), "-D", str(self._data), "-c", f"port={self.port}"]
        begin = len(self.log)
        with self._log_file.open("ab") as log:
            self._process = self._account.popen(command, log.fileno())
        self._watchdog.guard(self._process.pid)
        pid = self._process.pid
        with contextlib.suppress(AssertionError):
            eventually_blocking(lambda: self._ready(pid) or not self.running, within=_PATIENCE)
        if not self._ready(pid):
            self.stop("immediate")
            raise PostgresUnavailableError(f"PostgreSQL does not start: {self.log[begin:].strip()}")

    def _ready(self, pid: int) -> bool:
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        # The eighth line is the state; the first tells our file from one that a crash has left.
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _halt(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it is gone
        halt(pid)


def _kill(pid: int) -> None:
    """Kill a server, which makes no more processes once it is stopped, and wait until all of it has ended."""
    _halt(pid)
    members = family(pid)
    for member in members:
        send(member, signal.SIGKILL)
    eventually_blocking(lambda: not any(alive(member) for member in members), within=_PATIENCE)


def _name(database: str) -> str:
    return unquote(urlsplit(database).path[1:]) if "://" in database else database


def _quoted(value: Setting) -> str:
    return "'" + str(value).replace("'", "''") + "'"

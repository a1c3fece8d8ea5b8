"""One SQLite file: a writer thread that shares each commit between all who wait, and a reader beside it.

Requests are functions of a connection. The writer takes everything that waits into one
`BEGIN IMMEDIATE … COMMIT`, each of several within a savepoint of its own, and answers them all after the
commit: so callers share an fsync, and one that fails takes nobody with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from taskyard.errors import Overloaded, TaskyardError
from taskyard.store.sqlite import functions

P = ParamSpec("P")
R = TypeVar("R")

# A request, who waits for it, on which loop, and whether it runs alone, outside any transaction.
Request = tuple[Callable[[sqlite3.Connection], Any], "asyncio.Future[Any]", asyncio.AbstractEventLoop, bool]

_PRAGMAS = (
    "synchronous=FULL",
    "temp_store=MEMORY",
    "cache_size=-65536",
    "wal_autocheckpoint=4000",
    "journal_size_limit=67108864",
)
_BUSY = 5.0
_PAUSE = 0.01
_TURN = (0.0002, 0.002)
_SHARED_MAX = 1000
_RETRY_AFTER = 1.0

_MENDS = {
    sqlite3.SQLITE_FULL: "see that its disk has room, then try again",
    sqlite3.SQLITE_IOERR: "see that its disk has room and works, then try again",
    sqlite3.SQLITE_CANTOPEN: "see that this user may write to its file and folder",
    sqlite3.SQLITE_READONLY: "see that this user may write to its file and folder",
    sqlite3.SQLITE_NOTADB: "let TASKYARD_DATABASE_URL name another file",
}


def connect(path: str) -> sqlite3.Connection:
    """A connection in autocommit mode with our settings; `path` may be `:memory:`. A file it makes is its owner's."""
    if path != ":memory:":
        _make(path)
    connection = sqlite3.connect(
        path, timeout=_BUSY, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    functions.add_to(connection)
    _write_ahead(connection)
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _make(path: str) -> None:
    """Whoever may read the file reads all inputs; the files that SQLite puts beside it may be read by the same."""
    with contextlib.suppress(OSError):  # it is there, or SQLite says what is wrong
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to write-ahead logging. Of several that open a new file at once all but one are refused
    without being made to wait (SQLite's busy handler is not asked where waiting could be a deadlock)."""
    until = time.monotonic() + _BUSY
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(_PAUSE)
        else:
            return


class Database:
    """The file's two threads. Reads of an in-memory database go through the writer, who alone can see it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._writes = _Thread(path, shared=True)
        self._reads = self._writes if path == ":memory:" else _Thread(path, shared=False)

    def start(self) -> None:
        """Open the connections. Raises Overloaded with the mend when the file cannot be used."""
        self._writes.start()
        if self._reads is not self._writes:
            self._reads.start()

    async def stop(self) -> None:
        """Finish what waits and close. Who asks from now on is refused."""
        ending = [thread.end() for thread in {self._writes, self._reads}]
        for thread in filter(None, ending):
            await asyncio.get_running_loop().run_in_executor(None, thread.join)

    async def write(
        self, request: Callable[Concatenate[sqlite3.Connection, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run `request(connection, …)` in a transaction; returns when it is committed."""
        return await self._writes.put(lambda connection: request(connection, *args, **kwargs))

    async def read(
        self, request: Callable[Concatenate[sqlite3.Connection, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run `request(connection, …)` on one snapshot."""
        return await self._reads.put(lambda connection: request(connection, *args, **kwargs))

    async def others_version(self) -> int:
        """A number that changes when other connections than the writer's have committed."""
        return await self._writes.put(_data_version, alone=True)


class _Thread:
    """A thread that owns a connection and serves requests, sharing a transaction where it is `shared`."""

    def __init__(self, path: str, *, shared: bool) -> None:
        self._path = path
        self._shared = shared
        self._requests: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        try:
            connection = connect(self._path)
        except sqlite3.DatabaseError as error:
            raise _away(error) from None
        if self._shared:
            connection.execute("PRAGMA busy_timeout=0")  # it waits for its turn in `_begin`
        self._thread = threading.Thread(target=self._serve, args=(connection,), name="taskyard-sqlite", daemon=True)
        self._thread.start()

    def end(self) -> threading.Thread | None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._requests.put(None)
        return thread

    def put(self, request: Callable[[sqlite3.Connection], R], *, alone: bool = False) -> asyncio.Future[R]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        if self._thread is None:
            future.set_exception(Overloaded("the store is closed", retry_after=_RETRY_AFTER))
        else:
            self._requests.put((request, future, loop, alone))
        return future

    def _serve(self, connection: sqlite3.Connection) -> None:
        stopping = False
        while not stopping:
            batch, stopping = self._take()
            alone = [request for request in batch if request[3]]
            shared = [request for request in batch if not request[3]]
            answers = self._run(connection, shared) if shared else []
            _answer(answers + [_perform_alone(connection, request) for request in alone])
        connection.close()

    def _take(self) -> tuple[list[Request], bool]:
        first = self._requests.get()
        batch: list[Request] = []
        while first is not None:
            batch.append(first)
            if len(batch) >= _SHARED_MAX:
                return batch, False
            try:
                first = self._requests.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _run(self, connection: sqlite3.Connection, batch: list[Request]) -> list[_Answer]:
        several = len(batch) > 1
        try:
            if self._shared:
                _begin(connection)
            else:
                connection.execute("BEGIN")
            answers = [_perform(connection, request, apart=self._shared and several) for request in batch]
            failed = self._shared and not several and answers[0][3] is not None
            connection.execute("ROLLBACK" if failed else "COMMIT")
        except (sqlite3.Error, TaskyardError) as error:
            with contextlib.suppress(sqlite3.Error):  # what is still open then ends with the next request
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            away = error if isinstance(error, TaskyardError) else _away(error)
            return [(future, loop, None, away) for _, future, loop, _ in batch]
        return answers


def _begin(connection: sqlite3.Connection) -> None:
    """Begin to write when it is our turn. SQLite's own waiting sleeps up to 0.1 s beside a lock that is free."""
    until = time.monotonic() + _BUSY
    pause, longest = _TURN
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(pause)
            pause = min(pause * 1.5, longest)
        else:
            return


_Answer = tuple["asyncio.Future[Any]", asyncio.AbstractEventLoop, Any, BaseException | None]


def _perform(connection: sqlite3.Connection, request: Request, *, apart: bool) -> _Answer:
    """One request; where it shares a transaction, `apart` in a savepoint, so that its failure is its own."""
    run, future, loop, _ = request
    if apart:
        connection.execute("SAVEPOINT request")
    try:
        value, failure = run(connection), None
    except sqlite3.OperationalError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is belongs to the one who asked
        if apart:
            connection.execute("ROLLBACK TO request")
        value, failure = None, error
    if apart:
        connection.execute("RELEASE request")
    return future, loop, value, failure


def _perform_alone(connection: sqlite3.Connection, request: Request) -> _Answer:
    try:
        return _perform(connection, request, apart=False)
    except sqlite3.OperationalError as error:
        _, future, loop, _ = request
        return future, loop, None, _away(error)


def _data_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


def _away(error: sqlite3.Error) -> Overloaded:
    mend = _MENDS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "try again")
    return Overloaded(f"the database cannot be used now ({error}); {mend}", retry_after=_RETRY_AFTER)


def _answer(answers: list[_Answer]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Answer]] = {}
    for answer in answers:
        by_loop.setdefault(answer[1], []).append(answer)
    for loop, group in by_loop.items():
        with contextlib.suppress(RuntimeError):  # it is closed
            loop.call_soon_threadsafe(_resolve, group)


def _resolve(answers: list[_Answer]) -> None:
    for future, _, value, failure in answers:
        if future.done():
            continue
        if failure is None:
            future.set_result(value)
        else:
            future.set_exception(failure)

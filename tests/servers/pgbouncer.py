"""A real PgBouncer in transaction mode, in front of a PostgreSQL for tests; from the Debian package `pgbouncer`."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.servers.binaries import Account, scratch_directory
from tests.servers.ports import free_port, is_listened_on
from tests.servers.postgres import PostgresServer
from tests.servers.program import wait_until_up
from tests.servers.watchdog import Watchdog

_CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = 1000
server_login_retry = 1
"""


class PgBouncerUnavailableError(RuntimeError):
    """There is no PgBouncer here; the message says what to do."""


@contextmanager
def pooler(server: PostgresServer, *, sessions: int = 8) -> Iterator["Pooler"]:
    """A pooler that gives its clients at most so many sessions of a database, for as long as the block lasts."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        raise PgBouncerUnavailableError("pgbouncer is not installed: apt-get install pgbouncer")
    account = Account.for_servers()
    folder = scratch_directory(account)
    watchdog = Watchdog(folder)
    try:
        port = free_port()
        file = folder / "pgbouncer.ini"
        file.write_text(_CONFIGURATION.format(server=server.port, port=port, folder=folder, sessions=sessions))
        (folder / "users").write_text('"postgres" ""\n')
        with (folder / "log").open("wb") as log:
            process = account.popen([program, str(file)], log.fileno())
        watchdog.guard(process.pid)
        wait_until_up(process, lambda: is_listened_on(port), folder / "log")
        yield Pooler(port)
        process.kill()
        process.wait()
    finally:
        watchdog.close()


class Pooler:
    """Where the pooler listens."""

    def __init__(self, port: int) -> None:
        self._port = port

    def url(self, dsn: str) -> str:
        """The way to a database of the server that leads through the pooler."""
        return f"postgresql://postgres@127.0.0.1:{self._port}{urlsplit(dsn).path}"

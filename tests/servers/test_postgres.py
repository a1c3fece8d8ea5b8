"""The PostgreSQL launcher does what the tests of the store rely on."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
import pytest

from tests.servers.binaries import PostgresUnavailableError
from tests.servers.ports import is_listened_on
from tests.servers.postgres import Mode, PostgresServer
from tests.support import eventually_blocking

ROOT = Path(__file__).parents[2]

STARTER = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had us ignore it
import signal, sys
from tests.servers.postgres import PostgresServer
server = PostgresServer.start()
if "paused" in sys.argv:
    server.pause()
print(server.port, server.directory, flush=True)
if "exit" not in sys.argv:
    signal.pause()
"""


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server that tests may stop, pause and restart."""
    with PostgresServer.start(settings={"work_mem": "5MB", "cluster_name": "it's ours"}) as server:
        yield server


def value(dsn: str, query: str) -> object:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row and row[0]


def run(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement.encode())


def make_notes(dsn: str) -> None:
    run(dsn, "CREATE TABLE note (text text); INSERT INTO note VALUES ('kept')")


@contextmanager
def starter(argument: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A process in a group of its own that starts a server, and then writes its port and directory."""
    process = subprocess.Popen(
        [sys.executable, "-c", STARTER, argument],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def started(process: subprocess.Popen[str]) -> tuple[int, Path]:
    assert process.stdout is not None
    port, directory = process.stdout.readline().split()
    return int(port), Path(directory)


def test_starts_with_the_locale_zone_and_settings_we_chose(own_server: PostgresServer) -> None:
    settings = {
        "server_encoding": "UTF8",
        "lc_messages": "C.UTF-8",
        "TimeZone": "UTC",
        "max_connections": "200",
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "fsync": "off",
        "work_mem": "5MB",
        "cluster_name": "it's ours",
    }
    assert {name: value(own_server.dsn(), f"SHOW {name}") for name in settings} == settings
    assert value(own_server.dsn(), "SELECT datcollate FROM pg_database WHERE datname = 'template0'") == "C.UTF-8"


def test_a_durable_server_flushes() -> None:
    with PostgresServer.start(durable=True) as server:
        assert value(server.dsn(), "SHOW fsync") == "on"
        assert value(server.dsn(), "SHOW full_page_writes") == "on"


def test_a_refused_setting_is_told_and_leaves_nothing(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    with pytest.raises(PostgresUnavailableError, match="max_connections"):
        PostgresServer.start(settings={"max_connections": -1})
    assert list(scratch.iterdir()) == []


def test_every_database_is_new_and_empty(postgres_server: PostgresServer, postgres_dsn: str) -> None:
    make_notes(postgres_dsn)
    other = postgres_server.create_database("with space & Ü")
    assert value(other, "SELECT current_database()") == unquote(urlsplit(other).path[1:])
    assert value(other, "SELECT to_regclass('note')") is None
    postgres_server.drop_database(other)
    postgres_server.drop_database(other)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(other)


def test_a_template_is_prepared_once_and_cloned(postgres_server: PostgresServer) -> None:
    calls: list[str] = []
    open_connections: list[psycopg.Connection] = []

    def set_up(dsn: str) -> None:
        calls.append(dsn)
        make_notes(dsn)
        open_connections.append(psycopg.connect(dsn))

    templates = [postgres_server.template("notes", set_up) for _ in range(2)]
    clones = [postgres_server.create_database(template=template) for template in templates]
    open_connections[0].close()
    assert len(calls) == 1
    run(clones[0], "DELETE FROM note")
    assert value(clones[0], "SELECT count(*) FROM note") == 0
    assert value(clones[1], "SELECT count(*) FROM note") == 1


def test_a_template_whose_setup_failed_is_tried_afresh(postgres_server: PostgresServer) -> None:
    def fail(dsn: str) -> None:
        make_notes(dsn)
        raise LookupError

    with pytest.raises(LookupError):
        postgres_server.template("second try", fail)
    template = postgres_server.template("second try", make_notes)
    assert value(postgres_server.create_database(template=template), "SELECT text FROM note") == "kept"


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_keeps_what_was_committed(own_server: PostgresServer, mode: Mode) -> None:
    dsn = own_server.create_database()
    make_notes(dsn)
    with psycopg.connect(dsn) as connection:
        connection.execute("INSERT INTO note VALUES ('not committed')")
        own_server.restart(mode)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    assert value(dsn, "SELECT string_agg(text, ',') FROM note") == "kept"
    assert ("automatic recovery in progress" in own_server.log) == (mode == "immediate")


def test_a_stopped_server_refuses_and_comes_back_on_its_port(own_server: PostgresServer) -> None:
    dsn = own_server.dsn()
    own_server.stop()
    assert not own_server.running
    assert not is_listened_on(own_server.port)
    own_server.stop()
    own_server.start_again()
    with pytest.raises(RuntimeError, match="running"):
        own_server.start_again()
    assert value(dsn, "SELECT 1") == 1


def test_a_paused_server_answers_when_resumed(own_server: PostgresServer) -> None:
    with psycopg.connect(own_server.dsn()) as connection, ThreadPoolExecutor(2) as pool:
        own_server.pause()
        try:
            answer = pool.submit(lambda: connection.execute("SELECT 1").fetchone())
            newcomer = pool.submit(value, own_server.dsn(), "SELECT 2")
            with pytest.raises(TimeoutError):
                answer.result(timeout=0.3)
            assert not newcomer.done()
        finally:
            own_server.resume()
        assert answer.result(timeout=20) == (1,)
        assert newcomer.result(timeout=20) == 2


@pytest.mark.parametrize("harm", ["pause", "stop"])
def test_the_fixture_mends_what_a_test_has_left(
    postgres_server: PostgresServer, request: pytest.FixtureRequest, harm: str
) -> None:
    getattr(postgres_server, harm)()
    assert value(request.getfixturevalue("postgres_dsn"), "SELECT 1") == 1
    getattr(postgres_server, harm)()


def test_a_paused_server_can_be_stopped(own_server: PostgresServer) -> None:
    own_server.pause()
    own_server.stop()
    own_server.ensure_running()
    own_server.pause()
    own_server.ensure_running()
    assert value(own_server.dsn(), "SELECT 1") == 1


def test_terminating_ends_the_sessions_of_one_database(own_server: PostgresServer) -> None:
    dsn, other = own_server.create_database(), own_server.create_database()
    with psycopg.connect(dsn) as hit, psycopg.connect(other) as spared:
        assert own_server.terminate_backends(dsn) == 1
        with pytest.raises(psycopg.OperationalError):
            hit.execute("SELECT 1")
        assert spared.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("state", ["running", "paused"])
def test_nothing_is_left_when_the_starter_is_killed(how: signal.Signals, state: str) -> None:
    with starter(state) as process:
        port, directory = started(process)
        assert is_listened_on(port)
        os.killpg(process.pid, how)
        process.wait()
        eventually_blocking(lambda: not directory.exists() and not is_listened_on(port))


def test_nothing_is_left_when_the_starter_is_killed_early(scratch: Path) -> None:
    scratch.chmod(0o755)
    with starter("running", TMPDIR=str(scratch)) as process:
        eventually_blocking(lambda: any(scratch.glob("*/data/base")))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        eventually_blocking(lambda: not any(scratch.iterdir()))


def test_nothing_is_left_when_the_starter_just_ends() -> None:
    with starter("exit") as process:
        port, directory = started(process)
        assert process.wait() == 0
        assert not directory.exists()
        assert not is_listened_on(port)

"""A server program from the environment's packages, on a free loopback port, ended with the test."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tests.servers.ports import free_port, is_listened_on
from tests.servers.watchdog import Watchdog
from tests.support import eventually_blocking

PATIENCE = 60.0


def program(name: str, package: str) -> str:
    """The path of a program that a package brings. Fails in one line where it is missing."""
    path = Path(sys.executable).with_name(name)
    if not path.is_file():
        raise RuntimeError(f"{name} is not installed: install the package {package} (uv sync)")
    return str(path)


def wait_until_up(
    process: subprocess.Popen[bytes], answers: Callable[[], bool], log: Path, within: float = PATIENCE
) -> None:
    """Wait until a server answers; with the end of its log as a RuntimeError where it ends before, or takes longer."""
    with contextlib.suppress(AssertionError):
        if eventually_blocking(lambda: answers() or process.poll() is not None, within=within) and answers():
            return
    raise RuntimeError(f"{process.args!r} does not start: {log.read_text(errors='replace')[-2000:].strip()}")


class Program:
    """A server that can be stopped, killed and started again on its port."""

    def __init__(
        self, command: Callable[[int, Path], Sequence[str]], environment: Mapping[str, str], port: int
    ) -> None:
        self.port = port
        self._command = command
        self._environment = {**os.environ, **{name: text.format(port=port) for name, text in environment.items()}}
        self.folder = Path(tempfile.mkdtemp(prefix="taskyard-server-"))
        self._watchdog = Watchdog(self.folder)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Its `host:port`."""
        return f"127.0.0.1:{self.port}"

    def start(self, within: float = PATIENCE) -> None:
        """Start it, and wait until it listens."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                list(self._command(self.port, self.folder)), env=self._environment, cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self._watchdog.guard(self._process.pid)
        wait_until_up(self._process, lambda: is_listened_on(self.port), self.folder / "log", within)

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End it, and remove what it left."""
        self.kill()
        self._watchdog.guard(0)
        self._watchdog.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def running(
    command: Callable[[int, Path], Sequence[str]], environment: Mapping[str, str] | None = None, *, start: bool = True
) -> Iterator[Program]:
    """A program on a free port."""
    server = Program(command, environment or {}, free_port())
    try:
        if start:
            server.start()
        yield server
    finally:
        server.close()

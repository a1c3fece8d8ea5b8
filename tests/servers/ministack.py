"""MiniStack: Lambda, SQS and more of AWS, in a process of its own; functions run as processes beside it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

_STARTED_WITHIN = 30.0


@contextlib.contextmanager
def ministack(folder: Path) -> Iterator[str]:
    """The address of a fresh one, on loopback."""
    program = Path(sys.executable).with_name("ministack")
    if not program.exists():
        raise FileNotFoundError("ministack is not installed; `make setup` installs it")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environment = {**os.environ, "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "TMPDIR": str(folder)}
    with (folder / "ministack.log").open("wb") as log:
        process = subprocess.Popen(
            [program], cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait(url, process)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # with the functions that still run
        process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _STARTED_WITHIN
    while True:
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(url, timeout=2, trust_env=False)
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("ministack did not start; see ministack.log in the test's folder")
        time.sleep(0.05)

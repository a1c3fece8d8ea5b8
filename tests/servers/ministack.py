"""MiniStack: Lambda, SQS and more of AWS, in a process of its own; functions run as processes beside it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.servers.ports import free_port
from tests.servers.program import wait_until_up


@contextlib.contextmanager
def ministack(folder: Path) -> Iterator[str]:
    """The address of a fresh one, on loopback."""
    program = Path(sys.executable).with_name("ministack")
    if not program.exists():
        raise FileNotFoundError("ministack is not installed; `make setup` installs it")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {**os.environ, "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "TMPDIR": str(folder)}
    with (folder / "ministack.log").open("wb") as log:
        process = subprocess.Popen(
            [program], cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until_up(process, lambda: _answers(url), folder / "ministack.log")
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # with the functions that still run
        process.wait()


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return bool(httpx.get(url, timeout=2, trust_env=False).status_code)
    return False

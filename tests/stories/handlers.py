"""Handlers at the top level of a module, so that a process of their own can find them."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from taskyard import Context, TaskFailed, UploadedFile


def whoami() -> int:
    return os.getpid()


def add(a: int, b: int) -> int:
    return a + b


def tell(ctx: Context) -> dict[str, Any]:
    ctx.progress(1, 2, "half")
    ctx.log.info("from %s", "afar")
    ctx.failed_item("x", ValueError("odd"))
    return {"id": ctx.id, "attempt": ctx.attempt, "cause": ctx.cause, "workflow": ctx.workflow}


def fail(code: str = "BROKEN") -> None:
    raise TaskFailed("no", code=code, details={"why": "because"}, retryable=False)


def raise_once(ctx: Context) -> int:
    if ctx.attempt == 1:
        raise RuntimeError("not yet")
    return ctx.attempt


def leave(how: str) -> None:
    if how == "sys.exit":
        sys.exit(3)
    if how == "os._exit":
        os._exit(3)
    os.kill(os.getpid(), signal.SIGKILL)


def spin(started: str) -> None:
    """Never ends by itself, and asks nobody."""
    Path(started).write_text(str(os.getpid()))
    while True:
        time.sleep(0.01)


def give_a_set_of_objects() -> Any:
    return {object()}


def size_of(file: UploadedFile) -> int:
    assert file.path is not None
    return len(file.path.read_bytes())

"""Run one Python program: its `main(input, ctx)`. Started with the descriptor for frames as its argument.

Says that it is ready, then reads one request from standard input: a Python literal, a dict of `source`, `input` (or
`json`: a long one, as JSON), `env`, `task`, `path` (folders with its dependencies) and `files`.

What it imports here costs each jail, so most is imported only where it is needed.
"""

from __future__ import annotations

import _json
import errno
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # the real constant would cost an import in each jail
    from collections.abc import Callable
    from typing import Any

    Send = Callable[[dict[str, Any]], None]

LEVELS = {"debug", "info", "warning", "error"}
PIECE = 48 * 1024
TRACE = 16_000


class Log:
    """`ctx.log(level, text)`, `ctx.log.info(text)` and its like."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def __call__(self, level: str, text: object) -> None:
        """Say a line."""
        self._send({"type": "log", "level": level if level in LEVELS else "info", "text": str(text)[:8192]})

    def __getattr__(self, level: str) -> Callable[[object], None]:
        if level not in LEVELS:
            raise AttributeError(level)
        return lambda text: self(level, text)


class Context:
    """What `main` is given besides its input."""

    def __init__(self, send: Send, request: dict[str, Any]) -> None:
        self._send = send
        self.task = request["task"]
        self.files = request["files"]
        self.log = Log(send)

    def progress(self, current: float, total: float | None = None, action: object = None) -> None:
        """Say how far it is."""
        action = None if action is None else str(action)[:8192]
        self._send({"type": "progress", "current": current, "total": total, "action": action})

    def save(self, path: str, name: str | None = None) -> str:
        """Hand over a file, to be kept as an upload; what stands for it in the output."""
        import base64

        name = name or os.path.basename(path)
        with open(path, "rb") as stream:
            while True:
                data = stream.read(PIECE)
                self._send(
                    {"type": "file", "name": name, "data": base64.b64encode(data).decode(), "last": len(data) < PIECE}
                )
                if len(data) < PIECE:
                    return f"file:{name}"


def sender(descriptor: int) -> Send:
    """A function that writes one frame."""

    def send(frame: dict[str, Any]) -> None:
        data = (encode(frame) + "\n").encode()
        while data:
            data = data[os.write(descriptor, data) :]

    return send


def encode(value: Any) -> str:
    """The value as JSON. Raises TypeError or ValueError for what has no JSON, RecursionError for what is too deep."""
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return _json.encode_basestring_ascii(str(value))
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError(f"{value} is not a JSON number")
        return float.__repr__(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{name(key)}:{encode(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(encode, value)) + "]"
    raise TypeError(f"{type(value).__name__} has no JSON")


def name(key: object) -> str:
    """The name of an object's field."""
    if not isinstance(key, str):
        raise TypeError(f"a name of type {type(key).__name__} has no JSON")
    return _json.encode_basestring_ascii(str(key))


def trace(error: BaseException, source: str) -> str:
    """Where in its source the program failed."""
    import linecache
    import traceback

    linecache.cache["task.py"] = (len(source), None, source.splitlines(keepends=True), "task.py")
    own = error.__traceback__ and error.__traceback__.tb_next
    return "".join(traceback.format_exception(type(error), error, own))[-TRACE:]


def failure(error: BaseException, source: str) -> dict[str, Any]:
    """What went wrong, as a frame; the code names the limit where one was reached."""
    code = str(getattr(error, "code", "") or "") if not isinstance(error, SystemExit) else ""
    number = getattr(error, "errno", None)
    if isinstance(error, MemoryError):
        code = "LIMIT:memory"
    elif isinstance(error, OSError) and number in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
        code = "LIMIT:disk"
    elif (isinstance(error, OSError) and number == errno.EAGAIN) or "can't start new thread" in str(error):
        code = "LIMIT:processes"
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    try:
        stack = trace(error, source)
    except BaseException:
        stack = ""
    return {"type": "error", "error": {"code": code, "message": message[:8192], "stackTrace": stack}}


def run(request: dict[str, Any], send: Send) -> dict[str, Any]:
    """Call `main`; its result as a frame."""
    os.environ.update(request["env"])
    sys.path[:0] = request["path"]
    space: dict[str, Any] = {"__name__": "__task__", "__file__": "task.py"}
    source = request["source"]
    exec(compile(source, "task.py", "exec"), space)
    main = space.get("main")
    if not callable(main):
        return {"type": "error", "error": {"code": "NO_MAIN", "message": "the source defines no main(input, ctx)"}}
    if request["json"]:
        import json

        request["input"] = json.loads(request["json"])
    value = main(request["input"], Context(send, request))
    if hasattr(value, "__await__"):
        import asyncio

        value = asyncio.run(value)
    try:
        encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        return {"type": "error", "error": {"code": "NOT_JSON", "message": f"the result is not JSON: {error}"}}
    return {"type": "result", "output": value}


def main() -> None:
    """One request, one answer."""
    descriptor = int(sys.argv[1])
    send = sender(descriptor)
    os.write(descriptor, b"ready\n")
    request = eval(sys.stdin.buffer.read(), {})
    try:
        frame = run(request, send)
    except BaseException as error:
        frame = failure(error, request["source"])
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        pass
    send(frame)
    os._exit(0)


main()

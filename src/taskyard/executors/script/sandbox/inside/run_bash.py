"""Run one script on an emulated bash, Bashkit: its files are in memory, and its commands are all its own.

Started with the path of Bashkit's library and the descriptor for frames as its arguments. Says that it is ready, then
reads one request from standard input: a Python literal, a dict of `source`, `input` (JSON), `env`, `files` (by upload
id) and `memory` in bytes.

What it imports here costs each jail, so it imports little.
"""

from __future__ import annotations

import _contextvars
import _frozen_importlib as importing  # which is there already, as importlib is not
import _frozen_importlib_external as importing_files
import _json
import _thread
import binascii
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # the real constant would cost an import in each jail
    from typing import Any

HOME, OWN = "/task", "/task/.task"
INPUT, OUTPUT, PROGRESS, FILES = f"{OWN}/input.json", f"{OWN}/output", f"{OWN}/progress", f"{HOME}/files"
ENDLESS = 1 << 62
FOR_EVER = 1e9  # seconds; how long it may take is for others to say
PIECE = 48 * 1024
LIMITS = {"memory limit": "memory", "file size": "disk", "filesystem": "disk"}


def write(descriptor: int, data: bytes) -> None:
    """All of it."""
    while data:
        data = data[os.write(descriptor, data) :]


def loaded(path: str) -> Any:
    """Bashkit's library, from a folder that cannot be looked into.

    Of three modules it needs a name or two each; to import what else is in them takes as long as to run the script.
    """
    loader = importing_files.ExtensionFileLoader("_bashkit", path)
    module = loader.create_module(importing.ModuleSpec("_bashkit", loader, origin=path))
    loader.exec_module(module)
    sys.modules |= {"inspect": Inspect, "contextvars": _contextvars, "threading": _thread}  # type: ignore[dict-item]
    return module


class Inspect:
    """Says of what hears a script that it is a plain function."""

    iscoroutinefunction = isawaitable = staticmethod(lambda _: False)


def fail(descriptor: int, code: str, message: str) -> None:
    """Say what went wrong; the code names the limit where one was reached."""
    frame = f'{{"type": "error", "error": {{"code": "{code}", "message": {text(message[:8192])}}}}}\n'
    write(descriptor, frame.encode())


def text(value: str) -> str:
    """The text as JSON."""
    return _json.encode_basestring_ascii(value)


def made(bash: Any, request: dict[str, Any]) -> None:
    """The files that the script finds."""
    files = bash.fs()
    for folder in (OWN, FILES):
        bash.mkdir(folder, recursive=True)
    files.write_file(INPUT, request["input"].encode())
    files.write_file(PROGRESS, b"")
    for each in request["files"].values():
        bash.mkdir(os.path.dirname(each["path"]), recursive=True)
        with open(each["path"], "rb") as stream:
            files.write_file(each["path"], stream.read())


def tell(bash: Any, descriptor: int) -> None:
    """What the script left: its progress, its output, its files."""
    files = bash.fs()
    write(descriptor, files.read_file(PROGRESS).rstrip(b"\n") + b"\n")
    if bash.exists(OUTPUT):
        output = files.read_file(OUTPUT).replace(b"\n", b" ")
        if output:
            write(descriptor, b'{"type": "result", "output": ' + output + b"}\n")
    for entry in files.read_dir(FILES):
        name = entry["name"]
        path = f"{FILES}/{name}"
        if files.stat(path)["file_type"] != "file":
            continue
        data = files.read_file(path)
        for at in range(0, len(data) or 1, PIECE):
            piece = binascii.b2a_base64(data[at : at + PIECE], newline=False).decode()
            last = "true" if at + PIECE >= len(data) else "false"
            frame = f'{{"type": "file", "name": {text(name)}, "data": "{piece}", "last": {last}}}\n'
            write(descriptor, frame.encode())


def run(library: Any, request: dict[str, Any], descriptor: int) -> int:
    """Run the script; its exit code."""
    env = {"TASK_OUTPUT": OUTPUT, "TASK_PROGRESS": PROGRESS, "TASK_FILES": FILES, "HOME": HOME, **request["env"]}
    bash = library.Bash(
        username="task", hostname="sandbox", cwd=HOME, env=env, max_commands=ENDLESS, max_loop_iterations=ENDLESS,
        max_memory=request["memory"], timeout_seconds=FOR_EVER,
    )  # fmt: skip
    made(bash, request)

    def said(out: str, err: str) -> None:
        write(1, out.encode("utf-8", "replace"))
        write(2, err.encode("utf-8", "replace"))

    ended = bash.execute_sync(f"exec <{INPUT}; {request['source']}", said)
    if ended.error:
        limit = next((limit for words, limit in LIMITS.items() if words in ended.error), "")
        code = f"LIMIT:{limit}" if limit else ""
        fail(descriptor, code, ended.error)
        return 1
    tell(bash, descriptor)
    return int(ended.exit_code)


def main() -> None:
    """One request, one answer."""
    path, descriptor = sys.argv[1], int(sys.argv[2])
    library = loaded(path)
    write(descriptor, b"ready\n")
    request = eval(sys.stdin.buffer.read(), {})
    try:
        code = run(library, request, descriptor)
    except MemoryError:
        fail(descriptor, "LIMIT:memory", "out of memory")
        code = 1
    except BaseException as error:
        fail(descriptor, "", f"{type(error).__name__}: {error}")
        code = 1
    os._exit(code)


main()

"""Run scripts in a container or in a function of Lambda, which are their sandbox: there is none in here.

Needs the files beside it, bash for shell scripts and `deno` for JavaScript. In a container it is the command, and reads
the file that TASKYARD_INPUT_FILE names; in Lambda `handler` is the handler. What it is given is JSON: `kind`, `request`
(what the program beside it reads), `cpuSeconds` and `task`. It speaks in frames, a line of standard output each.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
SHELL = 'mkdir "$HOME/.task" "$HOME/files" && printf "ready\\n" >&$1 && eval "$(cat)"'
DENO = (
    "--no-prompt", "--no-config", "--no-remote", "--no-npm", "--quiet",
    "--allow-env", "--allow-net", "--allow-read", "--allow-write",
)  # fmt: skip
CODES = {"NOT_JSON": "OUTPUT_VALIDATION_ERROR"}
KEPT = 65536


class Missing(Exception):
    """There is nothing here that runs the kind; the message says what."""


def command(kind: str, frames: int) -> list[str]:
    """What runs this kind. Raises Missing."""
    if kind == "python":
        return [sys.executable, "-I", "-u", os.path.join(HERE, "run_python.py"), str(frames)]
    name = "bash" if kind == "shell" else "deno"
    path = shutil.which(name)
    if path is None:
        raise Missing(f"the runner has no {name}, which runs {kind}")
    if kind == "shell":
        return [path, "--noprofile", "--norc", "-c", SHELL, "runner", str(frames)]
    return [path, "run", *DENO, os.path.join(HERE, "run_javascript.mjs")]


def run(told: dict[str, Any], say: Any) -> dict[str, Any]:
    """Run one script; `say` is given each line. Its result, or its error, as a frame."""
    reads, writes = os.pipe()
    try:
        words = command(told["kind"], writes)
    except Missing as error:
        os.close(reads)
        os.close(writes)
        return failed("SANDBOX_UNAVAILABLE", str(error))
    deno = told["kind"] in ("javascript", "typescript")
    cpu = max(1, int(told["cpuSeconds"]))
    with tempfile.TemporaryDirectory() as home:
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": home, "TMPDIR": home, "LANG": "C.UTF-8"}
        process = subprocess.Popen(  # noqa: S603 - it is here to run what is not ours
            words, stdin=subprocess.PIPE, stdout=writes if deno else subprocess.PIPE,
            stderr=subprocess.STDOUT if not deno else None, env=environment, cwd=home, pass_fds=(writes,),
            start_new_session=True,
        )  # fmt: skip
        resource.prlimit(process.pid, resource.RLIMIT_CPU, (cpu, cpu + 1))
        os.close(writes)
        with process:
            last, kept = follow(process, told["request"].encode(), reads, say)
        code = process.returncode
    if last is not None and (last["type"] == "error" or code == 0):
        return last
    if code < 0 and -code == 24:
        return failed("RESOURCE_LIMIT", f"the program used up its {cpu} s of CPU time", {"limit": "cpu"})
    if code or told["kind"] != "shell":
        told_last = kept.decode("utf-8", "replace").strip().rpartition("\n")[2]
        what = f"the program ended with exit code {code}" if code else "the program ended without a result"
        return failed("EXECUTION_ERROR", f"{what}: {told_last}" if told_last else what, {"exitCode": code})
    return {"type": "result", "output": {"stdout": kept.decode("utf-8", "replace"), "exitCode": 0}}


def follow(process: Any, request: bytes, reads: int, say: Any) -> tuple[dict[str, Any] | None, bytes]:
    """Give it its request, hear it to its end, and end its group: its last word, and the first of what it printed."""
    import threading

    kept = bytearray()

    def printed() -> None:
        for line in process.stdout or ():
            kept.extend(line[: KEPT - len(kept)])
            say(line.decode("utf-8", "replace").rstrip("\n"))

    def ask() -> None:
        try:
            process.stdin.write(request)
            process.stdin.close()
        except OSError:
            pass

    def ended() -> None:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        os.killpg(process.pid, signal.SIGKILL)  # what it has left behind holds our pipes, and would outlive its task

    threads = [threading.Thread(target=each, daemon=True) for each in (printed, ask, ended)]
    for thread in threads:
        thread.start()
    last: dict[str, Any] | None = None
    lost: dict[str, Any] | None = None
    with os.fdopen(reads, encoding="utf-8", errors="replace") as frames:
        for line in frames:
            frame = read(line)
            if frame is not None and frame["type"] == "file":
                lost = failed("EXECUTION_ERROR", "files that a script makes are not kept here; use the sandbox")
            elif frame is not None and frame["type"] in ("result", "error"):
                last = translated(frame)
            elif line != "ready\n":
                say(step(line) if frame is None else line.rstrip("\n"))
    for thread in threads:
        thread.join()
    return lost or last, bytes(kept)


def step(line: str) -> str:
    """A line of a shell script's progress as a frame; any other as it is."""
    words = line.split(None, 2)
    try:
        current, total = float(words[0]), float(words[1]) if len(words) > 1 else None
    except (ValueError, IndexError):
        return line.rstrip("\n")
    action = words[2].rstrip("\n") if len(words) > 2 else None
    return json.dumps({"type": "progress", "current": current, "total": total, "action": action})


def read(line: str) -> dict[str, Any] | None:
    """The frame in a line, if it is one."""
    try:
        frame = json.loads(line)
    except (ValueError, RecursionError):
        return failed("OUTPUT_VALIDATION_ERROR", "the result is not JSON") if '"type": "result"' in line[:40] else None
    return frame if isinstance(frame, dict) and isinstance(frame.get("type"), str) else None


def translated(frame: dict[str, Any]) -> dict[str, Any]:
    """An error with the code that it has outside."""
    error = frame.get("error")
    if frame["type"] != "error" or not isinstance(error, dict):
        return frame
    code = str(error.get("code", ""))
    if code.startswith("LIMIT:"):
        return failed("RESOURCE_LIMIT", str(error.get("message")), {"limit": code[len("LIMIT:") :]})
    return {**frame, "error": {**error, "code": code if code in CODES.values() else CODES.get(code, "EXECUTION_ERROR")}}


def failed(code: str, message: str, details: Any = None) -> dict[str, Any]:
    """An error as a frame."""
    return {"type": "error", "error": {"code": code, "message": message, "details": details}}


def say(line: str) -> None:
    """Print a line whole, where Lambda listens too."""
    sys.stdout.write(line.encode("utf-8", "replace").decode() + "\n")
    sys.stdout.flush()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Lambda's handler; its answer is the frame."""
    del context
    return run(event, say)


def main() -> None:
    """A container's command."""
    with open(os.environ["TASKYARD_INPUT_FILE"], encoding="utf-8") as stream:
        told = json.load(stream)
    say(json.dumps(run(told, say)))


if __name__ == "__main__":
    main()

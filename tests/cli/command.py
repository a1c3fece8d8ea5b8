"""The command line as a user has it: in a folder, with an environment of its own; as a program, or called here."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

from taskyard.cli.program import run

PROGRAM = str(Path(sys.executable).with_name("taskyard"))

JOBS = """
from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

from taskyard import Context, TaskFailed, Taskyard, UploadedFile

yard = Taskyard()


@yard.task(title="Count [down]")
def count(ctx: Context, to: int = 4, step: float = 1.0, loud: bool = False, names: list[str] = [],
          mode: Literal["up", "down"] = "up", extra: dict[str, int] = {}) -> dict[str, object]:
    for number in range(to):
        ctx.progress(number + 1, to, "counting")
    ctx.log.info("\\x1b[32mcounted\\x1b[0m to %d", to)
    ctx.log.warning("that is [all]")
    return {"to": to, "step": step, "loud": loud, "names": names, "mode": mode, "extra": extra}


@yard.task(retry=0)
def refuse(ctx: Context) -> None:
    raise TaskFailed("it will not", code="UNWILLING", retryable=False)


@yard.task
def measure(ctx: Context, file: UploadedFile) -> int:
    return len(file.path.read_bytes())


@yard.task
async def wait_for_ever(ctx: Context) -> None:
    Path("waiting").touch()
    await asyncio.Event().wait()
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """The documents on stdout, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Command:
    """Runs `taskyard` in a folder; `settings` are its environment beyond the bare one."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("TASK_", "TASKYARD_"))}
        return own | {"TASKYARD_GRACE": "0.5"} | self.settings

    def __call__(self, *arguments: str, text: str | None = None) -> Ended:
        """Run a command to its end; `text` is its stdin."""
        ended = subprocess.run(
            [PROGRAM, *arguments], cwd=self.folder, env=self.environment, input=text, text=True, capture_output=True,
            timeout=60, check=False,
        )  # fmt: skip
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def done(self, *arguments: str, text: str | None = None) -> Ended:
        """Run a command that has to succeed."""
        ended = self(*arguments, text=text)
        assert ended.code == 0, ended
        return ended

    def begin(self, *arguments: str) -> Running:
        """Begin a command that goes on; use it with `with`."""
        process = subprocess.Popen(
            [PROGRAM, *arguments], cwd=self.folder, env=self.environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        return Running(process)

    def __truediv__(self, name: str) -> Path:
        return self.folder / name


@dataclass
class Inline(Command):
    """The same without a process for each command, which is quicker; `begin` makes one all the same."""

    patch: pytest.MonkeyPatch = field(kw_only=True)
    captured: pytest.CaptureFixture[str] = field(kw_only=True)

    def __call__(self, *arguments: str, text: str | None = None) -> Ended:
        """Run a command to its end; `text` is its stdin."""
        handlers = logging.root.handlers[:]
        with self.patch.context() as patch:
            patch.chdir(self.folder)
            patch.setattr(sys, "path", sys.path[:])
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((text or "").encode())))
            for name in set(os.environ) - set(self.environment):
                patch.delenv(name)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            for name in [path.stem for path in self.folder.glob("*.py")]:
                sys.modules.pop(name, None)  # as in a new process
            self.captured.readouterr()
            code = run(list(arguments))
        logging.root.handlers[:] = handlers
        return Ended(code, *self.captured.readouterr())


class Running:
    """A command under way; it is ended when the block is left."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:
            if self._process.poll() is None:
                self._process.kill()

    @property
    def stdin(self) -> IO[str]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def line(self) -> str:
        """The next line of stdout."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def wait(self) -> int:
        """The exit code, once it has ended by itself."""
        return self._process.wait(timeout=60)

    def end(self, number: signal.Signals | None = None) -> Ended:
        """How it ended, after a signal where one is given."""
        if number is not None:
            self._process.send_signal(number)
        out, err = self._process.communicate(timeout=60)
        return Ended(self._process.returncode, out, err)


def url_of(server: Running) -> str:
    """The address that a server tells when it answers."""
    document = ""
    while not document.rstrip().endswith("}"):
        document += server.line() + "\n"
    return str(json.loads(document)["url"])

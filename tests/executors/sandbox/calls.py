"""Asking a sandbox to run something, and hearing what it says."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from taskyard.contracts.target import Call
from taskyard.domain.isolation import BUBBLEWRAP, TIERS
from taskyard.domain.outcome import Done, Failed, Report, TaskError
from taskyard.domain.resources import Resources
from taskyard.domain.upload import UploadedFile
from taskyard.executors.script.sandbox.engines import confining_python
from taskyard.executors.script.sandbox.launch import Plan
from taskyard.executors.script.sandbox.target import Sandbox

_numbers = itertools.count(1)


def _has_bubblewrap() -> bool:
    """Whether this machine has bubblewrap, and lets users make the namespaces it needs."""
    command = [
        "bwrap",
        "--unshare-user",
        "--unshare-pid",
        "--unshare-net",
        "--ro-bind",
        "/",
        "/",
        "--proc",
        "/proc",
        "/bin/true",
    ]
    return (
        shutil.which("bwrap") is not None and subprocess.run(command, check=False, capture_output=True).returncode == 0
    )


TIERS_HERE = tuple(tier for tier in TIERS if tier != BUBBLEWRAP or _has_bubblewrap())
"""Landlock everywhere, and bubblewrap where it can be had."""


UNCONFINED: dict[str, Any] = {
    "limits": {}, "uid": 0, "read": None, "write": (), "folder": "/", "folders": (), "forks": False, "lasts": False,
    "namespaces": False,
}  # fmt: skip
"""What the fork server is told of a process that may do anything."""


def bare(*argv: str, **more: Any) -> Plan:
    """A jail that is no more than this command."""
    return Plan({**UNCONFINED, "argv": list(argv)}, confining_python(), {}, b"", **more)


class Heard:
    """Remembers all that a call says."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.steps: list[tuple[float, float | None, str | None]] = []
        self.tiers: list[str] = []

    def log(self, level: str, text: str) -> None:
        self.lines.append((level, text))

    def progress(self, current: float, total: float | None, action: str | None) -> None:
        self.steps.append((current, total, action))

    def placed(self, tier: str, lock: str = "") -> None:
        self.tiers.append(tier)

    @property
    def text(self) -> str:
        return "\n".join(text for _, text in self.lines)


def call(
    kind: str,
    source: str,
    input_: Any = None,
    *,
    timeout: float = 30.0,
    files: Mapping[str, UploadedFile] | None = None,
    implementation: Mapping[str, Any] | None = None,
    **resources: Any,
) -> Call:
    number = str(next(_numbers))
    return Call(
        number, 1, f"token-{number}", "test", "v1", {"kind": kind, "source": source, **(implementation or {})},
        json.dumps({} if input_ is None else input_).encode(), timeout, Resources(**resources), files=files or {},
    )  # fmt: skip


@contextlib.asynccontextmanager
async def sandbox(tiers: Sequence[str] = TIERS, **options: Any) -> AsyncIterator[Sandbox]:
    made = Sandbox(tiers, **options)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def run(box: Sandbox, kind: str, source: str, input_: Any = None, **options: Any) -> Report:
    return await box.run(call(kind, source, input_, **options), Heard())


def error_of(report: Report) -> TaskError:
    assert isinstance(report, Failed), report
    return report.error


def value_of(report: Report) -> Any:
    assert isinstance(report, Done), report
    return report.value

"""This machine's sandbox, held to the contract of targets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.executors.sandbox.calls import TIERS_HERE

from taskyard.executors.script.sandbox.target import Sandbox
from taskyard.testing.conformance.target import *  # noqa: F403 - its tests run here

PROGRAMS = {
    "echo": "def main(input, ctx): return input",
    "speak": "def main(input, ctx):\n ctx.log('warning', 'hello')\n ctx.progress(1, 2, 'half')\n return 'said'",
    "fail": "def main(input, ctx):\n print('before')\n raise ValueError('it broke')",
    "wait": "import time\ndef main(input, ctx): time.sleep(60)",
    "large": "def main(input, ctx): return 'x' * 200_000",
    "garbage": "def main(input, ctx): return {1, 2}",
}


class Local:
    can = frozenset({"speak", "cancel"})

    def __init__(self, target: Sandbox) -> None:
        self.target = target
        self._others = _below(os.getpid())

    def program(self, name: str) -> Mapping[str, Any]:
        return {"kind": "python", "source": PROGRAMS[name]}

    async def running(self) -> int:
        """One when a jail runs, however many processes it is made of."""
        return min(1, len(_below(os.getpid()) - self._others))


def _below(pid: int) -> set[int]:
    """A process' children that are no zombies; what makes jails stays."""
    children = [int(each) for file in Path(f"/proc/{pid}/task").glob("*/children") for each in file.read_text().split()]
    return {child for child in children if b"confine.py" not in _command(child) and not _is_zombie(child)}


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def _is_zombie(pid: int) -> bool:
    return b") Z " in Path(f"/proc/{pid}/stat").read_bytes()


@pytest.fixture
async def place() -> Local:
    return Local(Sandbox(TIERS_HERE, warm=0))

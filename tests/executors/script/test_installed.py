"""A target that an installed package brings, held to the contract."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from taskyard.executors.script.remote import _installed
from taskyard.testing.conformance.target import *  # noqa: F403 - its tests run here

SOURCE = """
import asyncio, json
from taskyard.contracts.target import Standing
from taskyard.domain.json import loads
from taskyard.domain.outcome import Done, Failed, TaskError

class Gpu:
    name, kinds = "gpu", frozenset({"acme/gpu"})
    running = 0

    async def run(self, call, observer):
        observer.placed("gpu-0")
        match call.implementation["program"]:
            case "echo": return Done(loads(call.input))
            case "token": return Done(call.token)
            case "speak":
                observer.log("warning", "hello")
                observer.progress(1, 2, "half")
                return Done("said")
            case "wait":
                self.running += 1
                try:
                    await asyncio.sleep(60)
                finally:
                    self.running -= 1
            case "large": return Failed(TaskError("RESOURCE_LIMIT", "too much", {"limit": "output"}))
        return Failed(TaskError("EXECUTION_ERROR", "it broke"))

    async def standings(self): return [Standing("acme/gpu", "gpu-0")]
    async def start(self): pass
    async def stop(self): pass
"""


class Gpus:
    can = frozenset({"speak", "cancel", "token"})

    def __init__(self, target: Any) -> None:
        self.target = target

    def program(self, name: str) -> Mapping[str, Any]:
        return {"kind": "acme/gpu", "program": name}

    async def running(self) -> int:
        return int(self.target.running)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Gpus]:
    info = tmp_path / "acme-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[taskyard.targets]\ngpu = acme_gpu_suite:Gpu\n")
    (tmp_path / "acme_gpu_suite.py").write_text(SOURCE)
    sys.path.insert(0, str(tmp_path))
    (target,) = _installed()
    yield Gpus(target)
    sys.path.remove(str(tmp_path))
    sys.modules.pop("acme_gpu_suite", None)

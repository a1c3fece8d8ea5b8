"""The connections and operations that the pages show fit their types."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.docs.test_docs import BLOCKS

from taskyard.contracts.clock import SystemClock
from taskyard.domain.schema import compile_schema
from taskyard.executors.integration.house import House
from taskyard.executors.integration.types import Types

SHOWN = [
    (block.where, json.loads(block.text)) for block in BLOCKS if block.info == "json" and "onnectionId" in block.text
]
CONNECTIONS = [(where, shown) for where, shown in SHOWN if isinstance(shown, dict) and "type" in shown]
BY_PAGE = {where.partition(":")[0]: shown["type"] for where, shown in CONNECTIONS}
DEFINITIONS = [
    (where, shown) for where, shown in SHOWN if where.partition(":")[0] in BY_PAGE and "implementation" in shown
]


def type_of(name: str) -> Any:
    def unreached() -> Any:
        raise AssertionError

    return Types(House(egress=unreached, clock=SystemClock(), data=Path())).get(name)


@pytest.mark.parametrize("shown", [shown for _, shown in CONNECTIONS], ids=[where for where, _ in CONNECTIONS])
def test_connections_fit_their_type(shown: dict[str, Any]) -> None:
    kind = type_of(shown["type"])
    compile_schema(dict(kind.settings)).check(shown.get("settings", {}))
    compile_schema(dict(kind.secrets)).check(shown.get("secrets", {}))


@pytest.mark.parametrize(("where", "shown"), DEFINITIONS, ids=[where for where, _ in DEFINITIONS])
def test_operations_fit_the_type_of_their_page(where: str, shown: dict[str, Any]) -> None:
    kind = type_of(BY_PAGE[where.partition(":")[0]])
    compile_schema(dict(kind.operation)).check(shown["implementation"]["operation"])


def test_the_type_that_the_page_shows_passes_the_suite_as_the_page_has_it(tmp_path: Path) -> None:
    page = [block for block in BLOCKS if block.where.startswith("docs/how-to/bring-a-connection-type.md")]
    type_, suite = (block.text for block in page if block.info.startswith("python"))
    (tmp_path / "acme_shouting.py").write_text(type_.partition("async def main")[0])
    (tmp_path / "test_shouting.py").write_text(suite)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", ".", "test_shouting.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout

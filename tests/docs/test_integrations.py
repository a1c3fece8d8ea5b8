"""The connections and operations that the pages show fit their types."""

from __future__ import annotations

import json
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

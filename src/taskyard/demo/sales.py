"""The shop's database as a system that is asked over a connection: read-only, by one statement with parameters."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from taskyard.demo.plan import Step
from taskyard.demo.workspace import SHOP_DATABASE
from taskyard.domain.connection import Connection
from taskyard.engine.connections import put_connection
from taskyard.engine.define import define, parse_definition
from taskyard.engine.engine import Engine
from taskyard.security.box import SecretBox

CONNECTION = "shop"

DEFINITION: dict[str, Any] = {
    "key": "count-orders",
    "title": "Count the orders",
    "description": "Asks the shop's database, over the connection “shop”, which lets nothing be changed.",
    "category": "data",
    "icon": "database",
    "tags": ["integration", "sql"],
    "implementation": {
        "kind": "integration",
        "connectionId": CONNECTION,
        "operation": {
            "statement": "SELECT country, count(*) AS orders FROM orders WHERE ordered_at >= :since "
            "GROUP BY country ORDER BY orders DESC"
        },
        "response": "{summary: join('', [to_string(sum(output.rows[*].orders)), ' orders from ',"
        " to_string(output.rowCount), ' countries']), countries: output.rows}",
    },
    "inputSchema": {
        "type": "object",
        "properties": {"since": {"type": "string", "title": "Since", "format": "date", "default": "2020-01-01"}},
        "required": ["since"],
        "additionalProperties": False,
    },
}

STEP = Step(DEFINITION["key"], {"since": "2020-01-01"}, {})


def copy(data: Path) -> None:
    """Lay the database below the data folder, for connections reach no other files."""
    data.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(SHOP_DATABASE, data / SHOP_DATABASE)


async def prepare(engine: Engine, box: SecretBox) -> None:
    """Keep the connection, and the definition that uses it."""
    settings = {"url": f"sqlite:///{SHOP_DATABASE}"}
    connection = Connection(connection_id=CONNECTION, type="database", title="The shop's database", settings=settings)
    await put_connection(engine, box, connection, {})
    await define(engine, [parse_definition(DEFINITION)])

"""What connection types are tested with."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from taskyard.contracts.clock import SystemClock
from taskyard.executors.integration.house import House
from taskyard.security.egress.client import Egress
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.rules import Rules


@contextlib.asynccontextmanager
async def a_house(folder: Path, **changes: Any) -> AsyncIterator[House]:
    """A house whose calls may reach this machine alone."""
    egress = Egress(Guard(Rules.parse(["127.0.0.1", "localhost"])))
    try:
        yield House(egress=lambda: egress, clock=SystemClock(), data=folder)._replace(**changes)
    finally:
        await egress.aclose()

"""SQL of system functions over connections: each statement is a call like those of integration tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from taskyard.contracts.executor import Job
from taskyard.domain.implementation import Integration
from taskyard.domain.outcome import Postponed, Report
from taskyard.engine.connections import entered
from taskyard.engine.engine import Engine
from taskyard.errors import CircuitOpen, ConfigurationError, RateLimited
from taskyard.executors.integration.calling import Integrations
from taskyard.executors.integration.executor import FindToken, asking_of, refusal

_AROUND_ROWS: Final = 2
"""How many times as long as its rows an answer may be."""


class Statements:
    """Executes them for tasks. `integrations()` and `find_token` as for integration tasks."""

    def __init__(self, engine: Engine, integrations: Callable[[], Integrations], find_token: FindToken) -> None:
        self._engine = engine
        self._integrations = integrations
        self._find_token = find_token

    async def execute(
        self, job: Job, connection_id: str, operation: Mapping[str, Any], parameters: Mapping[str, Any], *,
        read_only: bool,
    ) -> Report:  # fmt: skip
        """What becomes of an operation of type `database`, whose rows are cut where more would be kept as a file;
        `read_only`: over a connection that cannot write.

        Raises ConfigurationError where there is no such connection.
        """
        known = await self._engine.connections.find(connection_id)
        if known is None:
            await self._integrations().links.drop(connection_id)
        if known is None or known.row.connection.type != "database":
            raise ConfigurationError(
                f"there is no database {connection_id!r} here: make it a connection of type database, or name it in"
                " TASKYARD_SYSTEM_DATABASES"
            )
        if read_only and known.row.connection.settings.get("readOnly") is False:
            raise ConfigurationError(f"the connection {connection_id!r} may write; sql.query needs one that may not")
        if refused := refusal(known, job.kind.definition.key):
            return refused
        most = self._integrations().most_output // _AROUND_ROWS
        asked = Integration("integration", connection_id, {**operation, "maxBytes": most})
        asking = asking_of(job, await self._find_token(job.claimed), dict(parameters), frozenset())
        try:
            async with entered(self._engine, known, job.policy.timeout):
                return await self._integrations().perform(known.row, asked, asking)
        except CircuitOpen as open_:
            return Postponed(open_.retry_after or 1.0, open_.message, open_.circuit)
        except RateLimited as limited:
            return Postponed(limited.retry_after or 1.0, limited.message)

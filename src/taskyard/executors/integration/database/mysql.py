"""Connections to MySQL and MariaDB, guarded, and never without the TLS that was asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiomysql
from pymysql.constants import CLIENT

from taskyard.errors import CallFailed
from taskyard.executors.integration.database.address import parse_address
from taskyard.executors.integration.database.source import DatabaseSecrets, DatabaseSettings
from taskyard.executors.integration.house import House
from taskyard.executors.integration.tls import context_for

_PORT: Final = 3306
_CONNECT_SECONDS: Final = 10.0


class _Connection(aiomysql.Connection):  # type: ignore[misc]  # aiomysql has no types
    """aiomysql would go on without TLS where a server, or who stands between, says that it has none."""

    async def _get_server_information(self) -> None:
        await super()._get_server_information()
        if self._ssl_context is not None and not self.server_capabilities & CLIENT.SSL:
            raise CallFailed("the database offers no TLS; set `tls` to off to go without", reason="certificate")


def connector(
    settings: DatabaseSettings, secrets: DatabaseSecrets, house: House
) -> Callable[..., Awaitable[aiomysql.Connection]]:
    """What makes connections, whatever it is given besides."""
    address = parse_address(settings.url)
    tls = context_for(settings, secrets, address.host)

    async def connect(*_: Any, **given: Any) -> aiomysql.Connection:
        port = address.port or _PORT
        found = await house.egress().guard.addresses(address.host, port)
        connection = _Connection(
            host=str(found[0]),
            port=port,
            user=secrets.username or address.user,
            password=secrets.password,
            db=address.name or None,
            charset="utf8mb4",
            connect_timeout=_CONNECT_SECONDS,
            client_flag=given.get("client_flag", 0),  # SQLAlchemy counts the rows that were found
            ssl=tls,
            # A transaction alone would not do: statements that define tables end it first.
            init_command="SET SESSION TRANSACTION READ ONLY" if settings.read_only else None,
        )
        connection.client_flag &= ~CLIENT.MULTI_STATEMENTS  # aiomysql sets it, whatever it is given
        await connection._connect()
        return connection

    return connect

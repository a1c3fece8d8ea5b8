"""The connection type `database`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from taskyard.contracts.integration import Answer, Call, OpenConnection, OperationFailed
from taskyard.domain.statement import controls_session, numbered
from taskyard.errors import ValidationFailed
from taskyard.executors.integration.database.rows import collect, write
from taskyard.executors.integration.database.source import DatabaseSecrets, DatabaseSettings, Source
from taskyard.executors.integration.house import House
from taskyard.executors.integration.shape import Seconds, Shape, ShapedType, Text, read, within

_TEST_SECONDS: Final = 10.0
_LATE: Final = "the database did not end the statement"


class DatabaseOperation(Shape, kw_only=True, frozen=True):
    """Of a definition."""

    statement: Annotated[
        Text, Meta(description="one SQL statement; `:name` stands for a field of the input", min_length=1)
    ]
    expected_update_count: (
        Annotated[int, Meta(ge=0, description="how many rows must be changed; with any other number nothing is")] | None
    ) = None
    result: Annotated[
        Literal["rows", "json-lines", "csv"], Meta(description="rows in the output, or a file of them")
    ] = "rows"
    max_rows: Annotated[int, Meta(ge=1)] | None = None
    max_bytes: Annotated[int, Meta(ge=1)] = 1 << 20
    timeout: Seconds | None = None


class Database(
    ShapedType[DatabaseSettings, DatabaseSecrets],
    name="database",
    shapes=(DatabaseSettings, DatabaseSecrets, DatabaseOperation),
):
    """PostgreSQL and SQLite; others, MySQL and MariaDB among them, with `taskyard[database]`."""

    async def open(self, connection: OpenConnection) -> DatabaseLink:
        """See the contract. Nothing is connected to yet."""
        settings, secrets = self._read(connection)
        return DatabaseLink(_source(settings, secrets, self._house), self._house)


class DatabaseLink:
    """See the contract."""

    def __init__(self, source: Source, house: House) -> None:
        self._source = source
        self._house = house

    def target(self, call: Call) -> str:
        """See the contract: the statement's first word, and the database."""
        words = str(call.operation.get("statement", "")).split(maxsplit=1)
        return f"{words[0].upper()[:20] if words else 'nothing'} on {self._source.label}"

    async def call(self, call: Call) -> Answer:
        """See the contract."""
        operation = read(DatabaseOperation, call.operation, "operation")
        parameters = _parameters(operation.statement, call.body)
        seconds = min(operation.timeout or call.deadline, call.deadline)
        async with within(seconds, _LATE), self._source.transaction(seconds + 1) as execute:
            result = await execute(operation.statement, parameters)
            if operation.result == "rows" or not result.gives_rows:
                taken = await collect(result, operation.max_rows or 1000, operation.max_bytes)
            else:
                taken = await write(result, operation.result, operation.max_rows, call, self._house.most_bytes)
            expected = operation.expected_update_count
            while expected is not None and await result.batch():
                pass  # all of them count
            if expected is not None and result.changed != expected:
                raise OperationFailed(
                    f"the statement would have changed {result.changed} rows, not {expected}; nothing is changed",
                    reason="update-count",
                    retryable=False,
                    details={"updateCount": result.changed},
                )
        if not result.gives_rows:
            return Answer("ok", {"updateCount": result.changed}, {"updateCount": result.changed})
        output = await taken.kept() if taken.kept is not None else {"rows": taken.rows}
        output |= {"rowCount": taken.row_count, "truncated": taken.truncated}
        return Answer("ok", output, {"rowCount": taken.row_count}, bytes_in=taken.size)

    async def test(self) -> None:
        """See the contract."""
        async with within(_TEST_SECONDS, _LATE), self._source.transaction(_TEST_SECONDS) as execute:
            await (await execute("SELECT 1 AS one", {})).batch()

    async def close(self) -> None:
        """See the contract."""
        await self._source.close()


def _source(settings: DatabaseSettings, secrets: DatabaseSecrets, house: House) -> Source:
    scheme = settings.url.partition("://")[0]
    if scheme.partition("+")[0] == "sqlite":
        from taskyard.executors.integration.database.sqlite import SqliteSource

        return SqliteSource(settings, house)
    if scheme in ("postgres", "postgresql", "postgresql+asyncpg"):
        from taskyard.executors.integration.database.postgres import PostgresSource

        return PostgresSource(settings, secrets, house)
    try:
        from taskyard.executors.integration.database.alchemy import AlchemySource
    except ImportError:
        raise ValidationFailed("settings: this database needs pip install 'taskyard[database]'") from None
    return AlchemySource(settings, secrets, house)


def _parameters(statement: str, body: Any) -> dict[str, Any]:
    """Those of the body's fields that the statement names. Raises ValidationFailed."""
    if controls_session(statement):
        raise ValidationFailed("operation: each statement is a transaction of its own, and leaves no session changed")
    names = numbered(statement)[1]
    fields: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
    missing = [name for name in names if name not in fields]
    if missing:
        raise ValidationFailed(f"the input has no {', '.join(missing)}, which the statement needs")
    return {name: fields[name] for name in names}

"""SQLite files: those below the data folder that are not Taskyard's own."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from taskyard.calls.sql.result import Execute
from taskyard.calls.sql.sqlite import sqlite_transaction
from taskyard.errors import CallFailed, ValidationFailed
from taskyard.executors.integration.database.source import DatabaseSettings, at_once
from taskyard.executors.integration.house import House


class SqliteSource:
    """One file, opened for each transaction; read-only it is opened so."""

    def __init__(self, settings: DatabaseSettings, house: House) -> None:
        self._house = house
        self._read_only = settings.read_only
        self._name = settings.url.partition("://")[2].removeprefix("/")
        self.label = self._path().name

    @contextlib.asynccontextmanager
    async def transaction(self, seconds: float) -> AsyncIterator[Execute]:
        """See the protocol. Statements are interrupted when nobody waits for them any more."""
        del seconds
        path = self._path()
        if not path.exists():  # none is made: a name may be mistyped
            raise CallFailed(f"there is no file {self._name} in the data folder, TASKYARD_DATA_DIR", reason="connect")
        async with sqlite_transaction(str(path), read_only=self._read_only, budget=at_once()) as execute:
            yield execute

    async def close(self) -> None:
        """See the protocol: nothing is kept open."""

    def _path(self) -> Path:
        """The file, wherever links lead, looked at each time."""
        folder = self._house.data.resolve()
        path = (folder / self._name).resolve()
        if not self._name or "?" in self._name or not path.is_relative_to(folder) or path == folder:
            raise ValidationFailed(
                "settings: an SQLite file must be below the data folder, TASKYARD_DATA_DIR: sqlite:///name.db"
            )
        for own in self._house.own_files:
            mine = own.resolve()
            if path == mine or (path.parent == mine.parent and path.name.startswith(f"{mine.name}-")):
                raise ValidationFailed("settings: this file is Taskyard's own, and not for tasks")
        return path

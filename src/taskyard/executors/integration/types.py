"""The connection types there are: ours, and those of other packages. None is loaded before it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from taskyard.contracts.integration import ConnectionType
from taskyard.errors import ConfigurationError, NotFound
from taskyard.executors.integration.house import House

GROUP: Final = "taskyard.connection_types"
"""The group of entry points; each is called with the `House`."""

_HERE: Final = "taskyard.executors.integration"
_OURS: Final[Mapping[str, str]] = {
    "database": "database.type:Database",
    "file-transfer": "files.type:FileTransfer",
    "message-queue": "queues.type:MessageQueue",
    "remote": "remote:Remote",
    "rest": "rest.type:Rest",
    "soap": "soap.type:Soap",
}
"""By name, where the class is: `"rest": "rest.type:Rest"`."""


class Types:
    """The types by name, each made when first asked for."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._made: dict[str, ConnectionType] = {}

    @property
    def names(self) -> list[str]:
        """What there is."""
        return sorted(self._points)

    def get(self, name: str) -> ConnectionType:
        """The type. Raises NotFound for one that is not known, ConfigurationError for one that cannot be loaded."""
        if name not in self._made:
            if name not in self._points:
                raise NotFound(f"there is no connection type {name!r} here; there are {', '.join(self.names)}")
            try:
                made: ConnectionType = self._points[name].load()(self._house)
            except ImportError as error:
                raise ConfigurationError(f"connections of type {name} cannot be used here: {error}") from None
            self._made[name] = made
        return self._made[name]

    @cached_property
    def _points(self) -> dict[str, EntryPoint]:
        ours = {name: EntryPoint(name, f"{_HERE}.{where}", GROUP) for name, where in _OURS.items()}
        return {point.name: point for point in entry_points(group=GROUP)} | ours

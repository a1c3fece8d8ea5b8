"""What connection types work with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from taskyard.contracts.clock import Clock

if TYPE_CHECKING:  # processes that call nobody start without it
    from taskyard.security.egress.client import Egress


class House(NamedTuple):
    """What this process offers its connection types; a type is made with it.

    `egress()`: the guarded client, and its `guard` for what is not HTTP. `data`: the data folder, where files of
    databases may lie; `own_files`: those that are Taskyard's. `folders`: what file transfers may reach on this machine.
    `unguarded_databases`: those, such as `mssql`, that may be reached past the guard. `most_bytes`: the largest answer
    that is taken, unpacked. `integration_service`: the address of the one that connections of type remote are handed
    to, empty for none.
    """

    egress: Callable[[], Egress]
    clock: Clock
    data: Path
    own_files: tuple[Path, ...] = ()
    folders: tuple[Path, ...] = ()
    unguarded_databases: tuple[str, ...] = ()
    most_bytes: int = 64 << 20
    integration_service: str = ""

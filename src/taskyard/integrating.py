"""From settings to what calls external systems over connections."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from taskyard.contracts.clock import Clock
from taskyard.contracts.store import Store
from taskyard.engine.connections import SharedByLinks, open_kept
from taskyard.executors.integration.attached import FileStore, FindUploads, SaveFile
from taskyard.executors.integration.calling import Integrations
from taskyard.executors.integration.house import House
from taskyard.executors.integration.links import Links
from taskyard.executors.integration.types import Types
from taskyard.security.box import SecretBox
from taskyard.security.egress.rules import Rules
from taskyard.security.keys import ADMIN_TOKEN_FILE, SECRET_FILE
from taskyard.security.secrets import Secrets
from taskyard.security.sources import SecretSources
from taskyard.settings import Settings

if TYPE_CHECKING:
    from taskyard.security.egress.client import Egress

_MOST_OUTPUT = 256 << 10
_LARGEST_BODY = 64


def make_egress(settings: Settings) -> Egress:
    """The client for calls to other systems, as the settings allow them."""
    from taskyard.security.egress.client import Egress
    from taskyard.security.egress.guard import Guard

    rules = Rules.parse(settings["TASKYARD_EGRESS_ALLOW"], settings["TASKYARD_EGRESS_DENY"])
    return Egress(Guard(rules), proxy=settings["TASKYARD_EGRESS_PROXY"])


def make_types(settings: Settings, egress: Callable[[], Egress], clock: Clock) -> Types:
    """The types that connections may be of; what they work with is made when they are asked for it."""
    data = Path(settings["TASKYARD_DATA_DIR"])
    url = settings["TASKYARD_DATABASE_URL"]
    store = (Path(url.removeprefix("sqlite:///")),) if url.startswith("sqlite:///") else ()
    return Types(
        House(
            egress=egress,
            clock=clock,
            data=data,
            own_files=(*store, data / SECRET_FILE, data / ADMIN_TOKEN_FILE),
            folders=tuple(Path(folder) for folder in settings["TASKYARD_FILE_FOLDERS"]),
            unguarded_databases=settings["TASKYARD_UNGUARDED_DATABASES"],
            most_bytes=settings["TASKYARD_MAX_BODY"] * _LARGEST_BODY,
            integration_service=settings["TASKYARD_INTEGRATION_SERVICE_URL"],
        )
    )


def make_integrations(
    settings: Settings, types: Types, box: SecretBox, store: Store, clock: Clock, find: FindUploads, save: SaveFile
) -> Integrations:
    """What makes the calls of this process."""
    folder = settings["TASKYARD_SECRETS_DIR"]
    mounted = Secrets({}, Path(folder) if folder else None)
    sources = SecretSources(settings["TASKYARD_CONNECTION_ENV"], mounted, settings["TASKYARD_CONNECTION_FILES"])
    most = settings["TASKYARD_MAX_BODY"]
    files = FileStore(find, save, Path(settings["TASKYARD_DATA_DIR"]) / "calls", most * _LARGEST_BODY)
    links = Links(types, lambda row: open_kept(box, row), sources.value, lambda id_: SharedByLinks(store, box, id_))
    return Integrations(types, links, files, store, clock, min(_MOST_OUTPUT, most))

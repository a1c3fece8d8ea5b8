"""Which looks belong to an installation: a server's, or a client's of a server elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator

from taskyard.cli.doctor import machine, postgres, remote, sqlite, store
from taskyard.cli.doctor.finding import Finding, wrong
from taskyard.errors import ConfigurationError
from taskyard.settings import Settings, load


async def examine() -> list[Finding]:
    """Everything that was found, in the order of looking. Changes nothing."""
    try:
        settings = load()
    except ConfigurationError as error:
        return [wrong("settings", error.message, "mend the value; `taskyard settings` shows the others once it is")]
    looks = _client(settings) if settings["TASKYARD_URL"] else _server(settings)
    return [finding async for finding in looks]


async def _client(settings: Settings) -> AsyncIterator[Finding]:
    for finding in await remote.look(settings["TASKYARD_URL"], settings["TASKYARD_TOKEN"]):
        yield finding


async def _server(settings: Settings) -> AsyncIterator[Finding]:
    url = settings["TASKYARD_DATABASE_URL"]
    found = sqlite.look(url) if url.startswith("sqlite:") else await postgres.look(url)
    for finding in found:
        yield finding
    for finding in await store.look(url):
        yield finding
    for finding in machine.look(settings):
        yield finding
    yield await machine.look_at_port(settings["TASKYARD_HOST"], settings["TASKYARD_PORT"])

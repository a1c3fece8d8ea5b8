"""Which looks belong to an installation: a server's, or a client's of a server elsewhere."""

from __future__ import annotations

from taskyard.cli.doctor import connector, machine, postgres, remote, sandbox, sqlite, store
from taskyard.cli.doctor.finding import Finding, warning, wrong
from taskyard.errors import ConfigurationError
from taskyard.settings import Settings, load
from taskyard.settings.misspelt import misspelt


async def examine() -> list[Finding]:
    """Everything that was found, in the order of looking. Changes nothing."""
    try:
        settings = load()
    except ConfigurationError as error:
        return [wrong("settings", error.message, "mend the value; `taskyard settings` shows the others once it is")]
    findings = [
        warning("settings", told, "correct its name or unset it; `taskyard settings` shows all")
        for told in misspelt(settings)
    ]
    if settings["TASKYARD_URL"]:
        findings += await remote.look(settings["TASKYARD_URL"], settings["TASKYARD_TOKEN"])
    if not settings["TASKYARD_URL"] or settings.is_given("TASKYARD_DATABASE_URL"):
        findings += await _look_at_server(settings)
    return findings


async def _look_at_server(settings: Settings) -> list[Finding]:
    url = settings["TASKYARD_DATABASE_URL"]
    return [
        *(sqlite.look(url) if url.startswith("sqlite:") else await postgres.look(url)),
        *await store.look(url),
        *machine.look(settings),
        *await sandbox.look(settings),
        *await connector.look(settings),
        await machine.look_at_port(settings["TASKYARD_HOST"], settings["TASKYARD_PORT"]),
    ]

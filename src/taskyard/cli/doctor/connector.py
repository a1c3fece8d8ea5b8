"""The connector: whether its broker can be reached, and has what is needed."""

from __future__ import annotations

import asyncio
import contextlib

from taskyard.cli.doctor.finding import Finding, ok, warning, wrong
from taskyard.connecting import make_connector
from taskyard.contracts.connector import Away
from taskyard.errors import ConfigurationError
from taskyard.integrating import make_egress
from taskyard.settings import Settings

_SECONDS = 20.0


async def look(settings: Settings) -> list[Finding]:
    """Nothing where there is to be no connector."""
    egress = make_egress(settings)
    try:
        made = make_connector(settings, lambda: egress)
        if made is None:
            return []
        if not made.sends and not made.receives:
            return [warning("connector", f"{made.name} sends nothing", "set TASKYARD_HTTP_URL to send events there")]
        try:
            async with asyncio.timeout(_SECONDS):
                return [ok("connector", f"{made.name}: {await made.check()}")]
        finally:
            with contextlib.suppress(Away):
                await made.close()
    except ConfigurationError as error:
        return [wrong("connector", error.message, "mend the setting; `taskyard settings` shows all")]
    except (Away, TimeoutError) as error:
        told = str(error) or "it does not answer"
        mend = "see that the broker runs and lets this machine in; until it does, events wait and tasks run on"
        return [wrong("connector", f"{settings['TASKYARD_CONNECTOR']}: {told}", mend)]
    finally:
        await egress.aclose()

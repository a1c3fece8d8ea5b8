"""Workers that a command keeps alive."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence

from taskyard.app import App
from taskyard.domain.queue import Queue
from taskyard.errors import ValidationFailed
from taskyard.supervisor import Supervisor

_WORKED = (Queue.AUTOMATED, Queue.INTEGRATION, Queue.MANUAL)


def queue_titles(names: Sequence[str]) -> list[str]:
    """The public names of the queues that these mean, such as `automated`. Raises ValidationFailed."""
    titles = []
    for name in (part.strip() for text in names for part in text.split(",") if part.strip()):
        title = name if name.startswith("task-execution-") else f"task-execution-{name}"
        if Queue.titled(title) not in _WORKED:
            known = ", ".join(queue.title for queue in _WORKED)
            raise ValidationFailed(f"a worker cannot work off {name!r}; the queues are {known}")
        titles.append(title)
    return titles


async def work(app: App, target: str | None, queues: Sequence[str], processes: int) -> None:
    """Supervise workers of `target` until SIGTERM or SIGINT, and let them stop gracefully."""
    async with app.keeping():
        supervisor = Supervisor(app, target, queues=queues, processes=processes)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, app.stopping.set)
        asked = asyncio.create_task(_stop_when_asked(app, supervisor))
        try:
            await supervisor.run()
        finally:
            asked.cancel()


async def _stop_when_asked(app: App, supervisor: Supervisor) -> None:
    await app.stopping.wait()
    supervisor.stop()

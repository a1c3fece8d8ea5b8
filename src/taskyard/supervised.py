"""One supervised worker process: `python -m taskyard.supervised`, started by the supervisor and by nobody else."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence

from taskyard.app import App
from taskyard.domain.queue import Queue
from taskyard.errors import TaskyardError
from taskyard.loading import load_yard
from taskyard.logs import configure_logs
from taskyard.loops import run
from taskyard.runtime.cells import Cells
from taskyard.settings import load

_EXIT_SECONDS = 0.5


async def work(app: App, supervisor: int, descriptor: int, queues: Sequence[str]) -> None:
    """The life of one supervised worker process: until SIGTERM, or until its supervisor is gone."""
    named = tuple(queue for queue in map(Queue.titled, queues) if queue is not None)
    cells = Cells(app.settings["TASK_MAX_CONCURRENT"], descriptor)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    orphaned = asyncio.create_task(_watch_supervisor(supervisor, stopped))
    async with app.working(queues=named or None, cells=cells):
        await stopped.wait()
    orphaned.cancel()
    _leave_soon()


async def _watch_supervisor(pid: int, stopped: asyncio.Event) -> None:
    """It may be gone before this process has begun to look, so its parent of that time says nothing."""
    while os.getppid() == pid:  # noqa: ASYNC110 - the kernel has no event for it
        await asyncio.sleep(1.0)
    stopped.set()


def _leave_soon() -> None:
    """All is settled: a handler that never lets go, in a thread or on the loop, must not keep the process."""
    end = threading.Timer(_EXIT_SECONDS, _leave)
    end.daemon = True
    end.start()


def _leave() -> None:
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)


def main() -> None:
    """`python -m taskyard.supervised SUPERVISOR DESCRIPTOR TARGET [QUEUE …]`: run by the supervisor only."""
    supervisor, descriptor, target, *queues = sys.argv[1:]
    configure_logs(load())
    try:
        # Before there is a loop: a module may run one of its own while it is imported.
        app = load_yard(target or None).app
        run(work(app, int(supervisor), int(descriptor), queues))
    except TaskyardError as error:
        sys.exit(f"taskyard: {error.message}")


if __name__ == "__main__":
    main()

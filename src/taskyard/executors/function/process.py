"""Handlers in processes of their own: warm ones, as many as there are slots."""

from __future__ import annotations

import asyncio
import itertools
import pickle
from typing import Any

from taskyard.contracts.executor import Job
from taskyard.domain.outcome import Report
from taskyard.executors.function import process_name
from taskyard.executors.function.context import Context, Services
from taskyard.executors.function.handler import Handler
from taskyard.executors.function.process_link import Link
from taskyard.executors.function.process_name import Refused, name_of, report_refusal
from taskyard.executors.function.process_wire import Begin


class ProcessPool:
    """Runs handlers in at most `slots` processes, started when they are needed and kept for a minute.

    Processes that wait for subtasks come on top: each lends its slot, and takes the next that is freed when it goes on.
    """

    def __init__(self, slots: int, services: Services) -> None:
        self._slots = slots
        self._services = services
        self._free = asyncio.Semaphore(slots)
        self._owed = 0
        self._idle: list[Link] = []
        self._links: set[Link] = set()
        self._numbers = itertools.count(1)

    async def start(self) -> None:
        """Make ready. Raises Refused in a handler's process that is importing its parent's script."""
        if process_name.importing_main:
            raise Refused(
                "the script would start its worker in each of its handlers' processes too; "
                'put what starts it under `if __name__ == "__main__":`'
            )
        self._free, self._owed = asyncio.Semaphore(self._slots), 0

    async def stop(self) -> None:
        """End all processes, within two seconds; runs have ended."""
        self._idle.clear()
        links = tuple(self._links)
        for link in links:
            link.leave()
        for link in links:
            await link.ended.wait()

    async def run(self, handler: Handler, arguments: dict[str, Any], job: Job) -> Report:
        """Run a handler in the next free process; what goes wrong comes back as a report."""
        try:
            begin = self._begin(handler, arguments, job)
        except Refused as error:
            return report_refusal(error)
        await self._free.acquire()
        try:
            link = self._take()
        except BaseException:  # no more files or threads
            self._release()
            raise
        return await link.run(begin, job, Context(job, self._services))

    def _begin(self, handler: Handler, arguments: dict[str, Any], job: Job) -> Begin:
        name = name_of(handler)
        try:
            pickled = pickle.dumps(arguments, pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            raise Refused(
                f"the arguments of {handler.key!r} cannot be sent to a process: {error}; "
                "define their types at the top level of a module, or drop isolation='process'"
            ) from error
        return Begin(next(self._numbers), name, job.claimed._replace(input=b""), pickled)

    def _take(self) -> Link:
        while self._idle:
            link = self._idle.pop()
            if link.usable:
                return link
        link = Link(self)
        self._links.add(link)
        return link

    def lent(self) -> None:
        """A process waits for subtasks: another one may run meanwhile."""
        self._release()

    def taken_back(self) -> None:
        """It goes on."""
        self._owed += 1

    def freed(self, link: Link) -> None:
        """A process has run what it was given."""
        self._release()
        if link.usable:
            self._idle.append(link)
            link.rest()

    def gone(self, link: Link) -> None:
        """A process has ended."""
        self._links.discard(link)
        if link in self._idle:
            self._idle.remove(link)

    def _release(self) -> None:
        if self._owed:
            self._owed -= 1
        else:
            self._free.release()

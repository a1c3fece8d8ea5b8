"""Running system functions."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import msgspec

from taskyard.calls.mail import MailServer
from taskyard.contracts.clock import Clock
from taskyard.contracts.executor import Fallback, Job, Run, constant_fallback
from taskyard.contracts.records import Claimed
from taskyard.domain.definition import Definition, Kind
from taskyard.domain.ids import made_at
from taskyard.domain.outcome import Done, Report
from taskyard.domain.permission import Permission
from taskyard.domain.system import SYSTEM_FUNCTIONS, SystemFunction, Wait
from taskyard.errors import ValidationFailed
from taskyard.executors.system import archives, command, failure, files, http, mail, sql, template
from taskyard.executors.system.grants import Grants, parse_grants
from taskyard.executors.system.wait import wait_until
from taskyard.security.egress.client import Egress

_THREADS = 32


class SystemServices(NamedTuple):
    """What the functions work with. `databases`: addresses by name, `over`: those that are connections instead;
    `mail_server` None: there is none.

    `find_token`: what a task's calls to others are known again by.
    """

    egress: Callable[[], Egress]
    clock: Clock
    permissions: tuple[Permission, ...]
    databases: Mapping[str, str]
    over: sql.OverConnection
    mail_server: MailServer | None
    mail_from: str
    find_token: Callable[[Claimed], Awaitable[str]]


Asked = Any
Called = Callable[["SystemExecutor", Asked, Grants, Job], Awaitable[msgspec.Struct]]
"""Gives what the function gives, or a report where that is not what comes of it."""


class SystemExecutor:
    """Runs the functions of `taskyard.domain.system`."""

    def __init__(self, services: SystemServices) -> None:
        self.services = services
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="taskyard-files")

    def can_run(self, definition: Definition, target: str = "") -> bool:
        """See the contract."""
        known = definition.implementation.get("name") in SYSTEM_FUNCTIONS
        return not target and definition.kind == "system" and known

    def bind(self, kind: Kind) -> Run:
        """See the contract."""
        implementation = kind.definition.implementation
        function = SYSTEM_FUNCTIONS[implementation["name"]]
        granted = parse_grants(implementation.get("permissions", ()))

        async def run(job: Job) -> Report:
            restricted = (job.policy.security_context or {}).get("permissions")
            grants = Grants(
                granted, None if restricted is None else parse_grants(restricted), self.services.permissions
            )
            try:
                return await self._run(function, grants, job)
            except Exception as error:  # noqa: BLE001 - whatever a function raises is reported
                return failure.report(error)

        return run

    def fallback(self, kind: Kind) -> Fallback | None:
        """See the contract."""
        return constant_fallback(kind)

    async def start(self) -> None:
        """See the contract."""

    async def stop(self) -> None:
        """See the contract."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, function: SystemFunction, grants: Grants, job: Job) -> Report:
        try:
            asked = msgspec.json.decode(job.claimed.input, type=function.takes)
        except msgspec.ValidationError as error:
            raise ValidationFailed(f"{function.name} cannot take this input: {error}") from None
        if isinstance(asked, Wait):
            return wait_until(asked, made_at(job.claimed.task_id), self.services.clock.now())
        value = await _CALLS[function.name](self, asked, grants, job)
        return value if isinstance(value, Report) else Done(msgspec.to_builtins(value))

    async def in_thread(self, work: Callable[[Asked, Grants], msgspec.Struct], asked: Asked, grants: Grants) -> Any:
        """The result of work with files; cancelled, it is told to end, and waited for."""
        stop = threading.Event()
        context = contextvars.copy_context()
        context.run(files.STOP.set, stop)
        future = asyncio.get_running_loop().run_in_executor(self._threads, context.run, work, asked, grants)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            stop.set()
            await asyncio.wait([future])
            future.exception()
            raise


def _threaded(work: Callable[[Any, Grants], msgspec.Struct]) -> Called:
    return lambda executor, asked, grants, _: executor.in_thread(work, asked, grants)


async def _send(executor: SystemExecutor, asked: Any, grants: Grants, job: Job) -> msgspec.Struct:
    known = executor.services
    token = await known.find_token(job.claimed)
    return await mail.send_mail(asked, grants, known.egress().guard, known.mail_server, known.mail_from, token)


async def _fetch(executor: SystemExecutor, asked: Any, grants: Grants, job: Job) -> msgspec.Struct:
    token = await executor.services.find_token(job.claimed)
    return await http.fetch(asked, grants, executor.services.egress(), token, job.policy.timeout)


def _databases(executor: SystemExecutor, job: Job) -> sql.Databases:
    return sql.Databases(executor.services.databases, partial(executor.services.over, job))


_CALLS: dict[str, Called] = {
    "http.fetch": _fetch,
    "mail.send": _send,
    "files.read": _threaded(files.read_file),
    "files.write": _threaded(files.write_file),
    "files.list": _threaded(files.list_files),
    "files.copy": _threaded(files.copy_file),
    "files.move": _threaded(files.move_file),
    "files.delete": _threaded(files.delete_files),
    "files.checksum": _threaded(files.checksum),
    "archive.create": _threaded(archives.create_archive),
    "archive.extract": _threaded(archives.extract_archive),
    "template.render": lambda _executor, asked, _grants, _job: template.render(asked),
    "command.run": lambda _executor, asked, grants, _job: command.run_command(asked, grants),
    "sql.query": lambda executor, asked, grants, job: sql.query(asked, grants, _databases(executor, job)),
    "sql.execute": lambda executor, asked, grants, job: sql.execute(asked, grants, _databases(executor, job)),
}

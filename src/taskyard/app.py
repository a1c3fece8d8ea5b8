"""The composition root: the only module that knows every implementation."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from taskyard.calls.breakers import Breakers
from taskyard.connecting import Ways, connected, make_connector
from taskyard.contracts.clock import Clock, SystemClock
from taskyard.contracts.directory import Directory
from taskyard.contracts.executor import Executor
from taskyard.contracts.records import Claimed, Topic
from taskyard.contracts.target import Target
from taskyard.directory.stored import StoredDirectory
from taskyard.domain.breaker import SERVICE
from taskyard.domain.outcome import MadeFile
from taskyard.domain.priority import HEAD_STARTS
from taskyard.domain.queue import Queue, TaskType
from taskyard.domain.schedule import Schedule
from taskyard.domain.token import token_of
from taskyard.domain.upload import UploadedFile
from taskyard.engine.audit import READER as SEALS
from taskyard.engine.audit import Chain
from taskyard.engine.define import define
from taskyard.engine.engine import Engine, Limits
from taskyard.engine.orchestrator import OURS, Orchestrator
from taskyard.engine.query import token_now
from taskyard.engine.renewing import renew_secrets
from taskyard.engine.schedules import put_schedule
from taskyard.engine.subscriptions import Outside
from taskyard.engine.upload import open_uploads, save_upload
from taskyard.executors.function.executor import FunctionExecutor
from taskyard.executors.function.handler import Registry
from taskyard.executors.integration.calling import Integrations
from taskyard.executors.integration.executor import IntegrationExecutor
from taskyard.executors.manual import ManualExecutor
from taskyard.executors.script.executor import ScriptExecutor
from taskyard.integrating import make_egress, make_integrations, make_types
from taskyard.notify.people.endpoints import Endpoints
from taskyard.notifying import Notifying, make_notice_executor, make_planner
from taskyard.orchestrating import make_bridges, make_orchestrators
from taskyard.orchestrators.bpmn.executor import BpmnExecutor
from taskyard.orchestrators.bpmn.service import Processes
from taskyard.runtime.cells import Cells
from taskyard.runtime.handler_services import HandlerServices
from taskyard.runtime.triggers import Listeners, Triggers
from taskyard.runtime.upkeep import Service as Periodic
from taskyard.runtime.upkeep import Upkeep
from taskyard.runtime.watcher import Watcher
from taskyard.runtime.worker import STANDARD, Worker, WorkerOptions
from taskyard.security.box import SecretBox
from taskyard.security.caller import LOCAL, Caller
from taskyard.security.keys import derive, load_or_create
from taskyard.security.webhooks import signed_headers
from taskyard.services.resource import ResourceService
from taskyard.services.service import Service
from taskyard.services.user import UserDirectory
from taskyard.settings import Settings
from taskyard.store.sqlite import SqliteStore
from taskyard.storing import make_store
from taskyard.targeting import make_resources, make_secrets, make_targets

VERSION = version("taskyard")

if TYPE_CHECKING:  # commands that call nobody start without it
    from taskyard.notify.webhooks.service import Webhooks
    from taskyard.security.egress.client import Egress

log = structlog.get_logger("taskyard.app")


def make_limits(settings: Settings) -> Limits:
    """The service's limits."""
    return Limits(
        timeout=settings["TASK_TIMEOUT"],
        max_timeout=settings["TASK_MAX_TIMEOUT"],
        retry_policy=settings["TASK_RETRY_POLICY"],
        max_input=settings["TASKYARD_MAX_BODY"],
        max_output=settings["TASKYARD_MAX_BODY"],
        max_depth=settings["TASKYARD_MAX_DEPTH"],
        ceilings={Queue.of(type_): limit for type_ in TaskType if (limit := settings[f"TASK_MAX_CONCURRENT_{type_}"])},
        head_starts=HEAD_STARTS[settings["TASKYARD_PRIORITY"]],
    )


class App:
    """One process's Taskyard: the engine with everything that plays a part in it."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        listeners: Listeners,
        schedules: Mapping[str, Schedule],
        workflows: Sequence[str],
        clock: Clock | None = None,
    ) -> None:
        self.settings = settings
        self.registry = registry
        self.listeners = listeners
        self.schedules = schedules
        self.workflows = workflows
        self.clock = clock or SystemClock()
        store = make_store(
            settings["TASKYARD_DATABASE_URL"],
            self.clock,
            notify=settings["TASKYARD_NOTIFY"],
            listen_url=settings["TASKYARD_LISTEN_URL"],
        )
        self.engine = Engine(store, make_limits(settings), self._check_url)
        self.types = make_types(settings, lambda: self.egress, self.clock)
        self.engine.connection_types = self.types
        self.watcher = Watcher(self.engine.store)
        self.breakers = Breakers(self.clock)
        self.processes = Processes(self.engine)
        self._egress: Egress | None = None
        self.stopping = asyncio.Event()
        self._opened = 0

    @property
    def egress(self) -> Egress:
        """The client for everything that leaves this process; closed with the app."""
        if self._egress is None:
            self._egress = make_egress(self.settings)
        return self._egress

    @cached_property
    def master_key(self) -> bytes:
        """The installation's secret, from which keys are made. Raises ConfigurationError where it cannot be kept."""
        folder = Path(self.settings["TASKYARD_DATA_DIR"])
        return bytes(self.settings["TASKYARD_SECRET_KEY"] or load_or_create(folder))

    @cached_property
    def directory(self) -> Directory:
        """Where people are looked up: at the user service where there is one, else here."""
        users = self.service("user")
        return StoredDirectory(self.engine.store) if users is None else UserDirectory(users)

    @cached_property
    def patient_directory(self) -> Directory:
        """The same for what nobody waits for, and is lost where nobody is found: it waits for a slow service."""
        users = self.service("user")
        return self.directory if users is None else UserDirectory(users, patience=None)

    @cached_property
    def orchestrators(self) -> dict[str, Orchestrator]:
        """What knows processes, by the names that people give."""
        return make_orchestrators(self.engine, self.settings, lambda: self.egress)

    @cached_property
    def box(self) -> SecretBox:
        """Where secrets are sealed, and those that were sealed with a former key are opened."""
        former = self.settings["TASKYARD_FORMER_SECRET_KEYS"]
        return SecretBox(derive(self.master_key, "secrets"), *(derive(key, "secrets") for key in former))

    @cached_property
    def integrations(self) -> Integrations:
        """What calls external systems over connections; let go of with the app."""
        return make_integrations(
            self.settings, self.types, self.box, self.engine.store, self.clock, self._find_uploads, self._save_file
        )

    @cached_property
    def outside(self) -> Outside:
        """What dealing with the world outside takes."""
        return Outside(self.box, self._check_url, derive(self.master_key, "callbacks"))

    async def _check_url(self, url: str, path: str) -> str:
        return await self.egress.guard.check_url(url, path)

    async def open(self) -> None:
        """Open the store, migrating an embedded one, and register what was declared. Nested calls are counted."""
        if self._opened == 0:
            if isinstance(self.engine.store, SqliteStore):
                await self.engine.store.migrate()
            await self.engine.open()
            self.engine.directory = self.directory
            try:
                await define(self.engine, [handler.definition for handler in self.registry])
                for source in self.workflows:
                    await self.orchestrators[OURS].deploy(source, {})
                for schedule in self.schedules.values():
                    await put_schedule(self.engine, schedule, LOCAL)
            except BaseException:
                await self.engine.close()
                raise
        self._opened += 1

    async def close(self) -> None:
        """Close what the matching `open` opened."""
        self._opened -= 1
        if self._opened == 0:
            await self.watcher.close()
            if "integrations" in self.__dict__:
                await self.__dict__.pop("integrations").stop()
            if self._egress is not None:
                await self._egress.aclose()
                self._egress = None
                for name in ("directory", "patient_directory"):
                    self.__dict__.pop(name, None)  # it asks by the client that is closed now
            await self.engine.close()

    @contextlib.asynccontextmanager
    async def working(
        self, *, queues: tuple[Queue, ...] | None = None, slots: int | None = None, cells: Cells | None = None
    ) -> AsyncIterator[Worker]:
        """Execute tasks here, and call this process's listeners. Somebody has to be `keeping` time besides."""
        await self.open()
        triggers = Triggers(self.engine, self.listeners)
        try:
            if self.listeners:
                await triggers.start()
            async with self._worker(queues, slots, cells) as worker:
                yield worker
        finally:
            await triggers.stop()
            await self.close()

    @contextlib.asynccontextmanager
    async def keeping(self) -> AsyncIterator[None]:
        """Keep time here for everybody on the store: the periodic services."""
        connector = make_connector(self.settings, lambda: self.egress)
        await self.open()
        webhooks, days = self._webhooks(), self.settings["TASK_RETENTION_DAYS"]
        try:
            ways = Ways(self.engine, self.breakers, self.settings, self.request_stop, self.stopping.is_set)
            async with connected(ways, connector, self.service("observability")) as services:
                planner = make_planner(self.notifying)
                services += [
                    Periodic("notices", 0.5, planner.turn),
                    Periodic("owners", 5.0, Endpoints(self.engine, planner).turn),
                    Periodic("processes", 0.5, self.processes.turn, Topic.FEED),
                    Periodic("webhooks", 0.5, webhooks.turn, Topic.FEED),
                    Periodic("secrets", 3600.0, lambda: renew_secrets(self.engine, self.box), insists=False),
                    Periodic("deliveries", 3600.0, lambda: webhooks.prune(days), insists=False),
                ]
                if self.settings["TASKYARD_AUDIT_CHAIN"]:
                    chain = Chain(self.engine, derive(self.master_key, "audit"))
                    services.append(Periodic("audit", 1.0, chain.turn, Topic.FEED, reader=SEALS))
                upkeep = Upkeep(self.engine, days, services)
                upkeep.start()
                bridges = make_bridges(self.engine, self.settings, lambda: self.egress)
                for bridge in bridges:
                    bridge.start()
                try:
                    yield
                finally:
                    for bridge in bridges:
                        await bridge.stop()
                    await upkeep.stop()
                    await webhooks.stop()
        finally:
            await self.close()

    def _webhooks(self) -> Webhooks:
        from taskyard.notify.webhooks.service import Webhooks

        return Webhooks(self.engine, lambda: self.outside, lambda: self.egress)

    @property
    def notifying(self) -> Notifying:
        """What people are told with."""
        return Notifying(
            self.engine, self.patient_directory, self.settings, self.clock, lambda: self.egress,
            lambda: self.master_key, self.service("notification"),
        )  # fmt: skip

    def service(self, name: str) -> Service | None:
        """The other service of this name, called behind its own breaker; None where none is set."""
        url = self.settings[f"TASKYARD_{name.upper()}_SERVICE_URL"]
        if not url:
            return None
        return Service(url, self.egress.trusting(url), self.breakers.circuit(f"service:{name}", SERVICE))

    def dependencies(self) -> dict[str, dict[str, Any]]:
        """How the circuits of what this process calls stand, by name. May be called from any thread."""
        made = self.__dict__.get("integrations")
        return self.breakers.figures() | ({} if made is None else made.figures())

    def request_stop(self, by: str) -> None:
        """Have this process stop gracefully, as whoever runs it does that."""
        log.warning("this process is asked to stop", by=by)
        self.stopping.set()

    def _worker(self, queues: tuple[Queue, ...] | None, slots: int | None, cells: Cells | None) -> Worker:
        size = slots or self.settings["TASK_MAX_CONCURRENT"]
        url = self.settings["TASKYARD_DATABASE_URL"]
        shared = not isinstance(self.engine.store, SqliteStore) or self.engine.store.path != ":memory:"
        targets = [*make_targets(self.settings, size), *self._remote_targets()]
        resource = self.service("resource")
        allocate = None if resource is None else ResourceService(resource).allocate
        scripts = ScriptExecutor(
            targets, make_resources(self.settings), self._find_uploads, self._save_file,
            self._find_token, allocate, self.settings["TASKYARD_PLACEMENT"], make_secrets(self.settings),
        )  # fmt: skip
        options = WorkerOptions(
            slots=size,
            queues=STANDARD if queues is None else queues,
            version=VERSION,
            grace=self.settings["TASKYARD_GRACE"],
            log_level=self.settings["TASK_LOG_LEVEL"].lower(),
            open_beat_store=(lambda: make_store(url, self.clock, notify=False)) if shared else None,
            cells=cells,
            dependencies=self.dependencies,
            tiers=scripts.tiers,
            targets=scripts.places,
        )
        return Worker(self.engine, [*self._executors(size), scripts], self.clock, options)

    def _executors(self, slots: int) -> list[Executor]:
        return [
            FunctionExecutor(
                self.registry, HandlerServices(self.engine, self.watcher, self.listeners), slots, self._find_uploads
            ),
            ManualExecutor(self.engine, self.directory),
            make_notice_executor(self.notifying),
            BpmnExecutor(self.engine),
            self._system_executor(),
            IntegrationExecutor(self.engine.connections, lambda: self.integrations, self._find_token),
        ]

    def _system_executor(self) -> Executor:
        from taskyard.calls.mail import parse_mail_url
        from taskyard.executors.integration.statements import Statements
        from taskyard.executors.system.executor import SystemExecutor, SystemServices
        from taskyard.executors.system.grants import parse_grants

        settings = self.settings
        mail_url = settings["TASKYARD_SMTP_URL"]
        return SystemExecutor(
            SystemServices(
                egress=lambda: self.egress,
                clock=self.clock,
                permissions=parse_grants(settings["TASKYARD_SYSTEM_PERMISSIONS"]),
                databases=settings["TASKYARD_SYSTEM_DATABASES"],
                over=Statements(self.engine, lambda: self.integrations, self._find_token).execute,
                mail_server=parse_mail_url(mail_url) if mail_url else None,
                mail_from=settings["TASKYARD_MAIL_FROM"],
                find_token=self._find_token,
            )
        )

    def _remote_targets(self) -> list[Target]:
        from taskyard.executors.script.remote import Remote, remote_targets

        settings = self.settings
        secret = settings["TASKYARD_TARGET_SECRET"]
        return remote_targets(
            Remote(
                egress=lambda: self.egress,
                breakers=self.breakers,
                clock=self.clock,
                sign=partial(signed_headers, [secret], both=True) if secret else None,
                url=settings["TASKYARD_URL"],
                aws_region=settings["AWS_REGION"],
                lambda_runner=settings["TASKYARD_LAMBDA_RUNNER"],
                kubernetes=settings["TASKYARD_KUBERNETES"],
                namespace=settings["TASKYARD_KUBERNETES_NAMESPACE"],
                images=settings["TASKYARD_KUBERNETES_IMAGES"],
                service_accounts=settings["TASKYARD_KUBERNETES_SERVICE_ACCOUNTS"],
                kubernetes_runner=settings["TASKYARD_KUBERNETES_RUNNER"],
            )
        )

    async def _find_token(self, claimed: Claimed) -> str:
        """A first attempt needs no look at what came before it."""
        task_id = claimed.task_id
        return token_of(task_id) if claimed.attempt == 1 else await token_now(self.engine, task_id)

    async def _find_uploads(self, ids: list[str]) -> dict[str, UploadedFile]:
        return await open_uploads(self.engine, ids, Path(self.settings["TASKYARD_DATA_DIR"]) / "uploads")

    async def _save_file(self, file: MadeFile, owner: str) -> str:
        return (await save_upload(self.engine, file.name, file.content, Caller(owner), used=True)).id

"""The client for programs without an event loop."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from taskyard.client import connections as connecting
from taskyard.client import leases, live, operations, people, processes, scheduling, tasks, webhooks
from taskyard.client.errors import unreachable
from taskyard.client.run import RunView
from taskyard.client.server import Server, answer_of, socket_failure
from taskyard.client.talk import Answer, Emit, Open, Pause, Request, Stream, Talk, step_on
from taskyard.client.verbs import named_after
from taskyard.domain.task import Task
from taskyard.executors.function.results import output_of

P = ParamSpec("P")
T = TypeVar("T")


class _Line:
    """One talk's line to the server. What goes wrong on it is told to the talk."""

    def __init__(self, http: httpx.Client, server: Server) -> None:
        self._http = http
        self._server = server
        self._socket: ClientConnection | None = None
        self._hang_up = contextlib.ExitStack()

    def __enter__(self) -> _Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._hang_up.close()

    def carry_out(self, step: Any) -> Any:
        """What came of a step: a value, or the error to raise in the talk."""
        match step:
            case Request():
                return self._send(step)
            case Pause():
                time.sleep(step.seconds)
                return None
            case _:
                return self._listen(step)

    def _send(self, request: Request) -> Answer | Exception:
        try:
            return answer_of(self._http.request(**self._server.send_arguments(request)))
        except httpx.RequestError as error:
            return unreachable(self._server.url, error)

    def _listen(self, step: Any) -> str | bytes | Exception | None:
        try:
            if not isinstance(step, Open):
                assert self._socket is not None  # noqa: S101 - talks open before they read
                return self._socket.recv()
            self._hang_up.close()
            self._socket = self._hang_up.enter_context(connect(**self._server.open_arguments(step)))
        except (WebSocketException, OSError) as error:
            return socket_failure(error)
        return None


class Exchange:
    """Carries out talks with one server."""

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        self._server = Server.named(url, token)
        self._http = httpx.Client(headers=self._server.headers)

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def carry_out(self, talk: Talk[T]) -> T:
        """The talk's result; what it emits is dropped."""
        with _Line(self._http, self._server) as line:
            heard: Any = None
            while True:
                try:
                    step = step_on(talk, heard)
                except StopIteration as stop:
                    return cast("T", stop.value)
                heard = None if isinstance(step, Emit) else line.carry_out(step)

    def iterate(self, stream: Stream[T]) -> Iterator[T]:
        """What the stream emits, as it is wanted."""
        with _Line(self._http, self._server) as line:
            heard: Any = None
            while True:
                try:
                    step = step_on(stream, heard)
                except StopIteration:
                    return
                if isinstance(step, Emit):
                    heard = None
                    yield step.item
                else:
                    heard = line.carry_out(step)


def _verb(build: Callable[P, Talk[T]]) -> Callable[Concatenate[Exchange, P], T]:
    def method(self: Exchange, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.carry_out(build(*args, **kwargs))

    return named_after(build, method)


def _stream(build: Callable[P, Stream[T]]) -> Callable[Concatenate[Exchange, P], Iterator[T]]:
    def method(self: Exchange, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return self.iterate(build(*args, **kwargs))

    return named_after(build, method)


class ClientRun(RunView):
    """One task that was started. Its data is what was last read: `refresh` reads it again."""

    def __init__(self, exchange: Exchange, task: Task, *, reused: bool = False) -> None:
        super().__init__(task, reused=reused)
        self._exchange = exchange

    def refresh(self) -> Task:
        """Read the task again."""
        self.task = self._exchange.carry_out(tasks.get_task(self.id))
        return self.task

    def result(self) -> Any:
        """The output, once the task is final. Raises TaskFailed when it FAILED or was CANCELED."""
        self.task = self._exchange.carry_out(live.wait_final(self.id))
        return output_of(self.task)

    def cancel(self, reason: str | None = None) -> Task:
        """Cancel the task. Raises IllegalTransition when it is final."""
        self.task = self._exchange.carry_out(tasks.cancel(self.id, reason))
        return self.task

    def follow(self, after: int = 0) -> Iterator[live.Message]:
        """The live messages: what happened after the sequence `after`, then what happens, until the end."""
        return self._exchange.iterate(live.follow(self.id, after))


Runs = list[ClientRun]


class TaskyardClient(Exchange):
    """Taskyard over HTTP: the verbs of `Taskyard`, and those of operators and workers.

    `url` and `token` default to TASKYARD_URL and TASKYARD_TOKEN. Close it, or use it with `with`. May be shared by
    threads. Every verb raises the TaskyardError that the server answers, and Overloaded where it cannot be reached.
    """

    def __enter__(self) -> TaskyardClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- starting
    def start(self, key: str, input: Mapping[str, Any] | None = None, **options: Any) -> ClientRun:
        """Have a task run; `options` are fields of the create body in snake case, `cause` a pair."""
        return self._run(self.carry_out(tasks.start(key, input, options)))

    def run(self, key: str, input: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """Have a task run and wait for its result. Raises TaskFailed."""
        return self.start(key, input, **options).result()

    def start_many(self, key: str, inputs: Sequence[Mapping[str, Any]], **options: Any) -> Runs:
        """Have a task run once for each input (1,000 at most), stored in one transaction."""
        return [self._run(one) for one in self.carry_out(tasks.start_many(key, inputs, options))]

    def run_many(self, key: str, inputs: Sequence[Mapping[str, Any]], **options: Any) -> Sequence[Any]:
        """The results for each input, in order."""
        return [run.result() for run in self.start_many(key, inputs, **options)]

    def trigger(self, name: str, properties: Mapping[str, Any] | None = None) -> Runs:
        """Start what declared this trigger. Raises NotFound when nothing did."""
        return [self._run(one) for one in self.carry_out(tasks.trigger(name, properties))]

    def action(self, name: str, properties: Mapping[str, Any] | None = None) -> ClientRun:
        """Start what declared this action. Raises NotFound when nothing did."""
        return self._run(self.carry_out(tasks.action(name, properties)))

    def get(self, task_id: str) -> ClientRun:
        """A task by its id. Raises NotFound."""
        return ClientRun(self, self.carry_out(tasks.get_task(task_id)))

    def _run(self, started: tasks.Started) -> ClientRun:
        return ClientRun(self, started.task, reused=started.reused)

    # ---- tasks
    list = _stream(tasks.list_tasks)
    follow = _stream(live.follow)
    result = _verb(live.result)
    cancel = _verb(tasks.cancel)
    retry = _verb(tasks.retry)
    why = _verb(tasks.why)
    attempts = _stream(tasks.attempts)
    events = _stream(tasks.events)
    logs = _stream(tasks.logs)
    output = _verb(tasks.output)
    history = _verb(tasks.history)
    upload = _verb(tasks.upload)
    reassign = _verb(tasks.reassign)
    complete = _verb(tasks.complete)

    # ---- people
    inbox = _stream(people.inbox)
    notifications = _stream(people.notifications)
    read_notifications = _verb(people.read_notifications)
    claim = _verb(people.claim)
    release = _verb(people.release)
    draft = _verb(people.draft)
    delegate = _verb(people.delegate)
    resolve = _verb(people.resolve)
    reject = _verb(people.reject)
    comment = _verb(people.comment)
    assign = _verb(people.assign)
    repair = _verb(people.repair)
    form = _verb(people.form)

    # ---- operations
    definitions = _stream(operations.definitions)
    definition = _verb(operations.definition)
    definition_versions = _stream(operations.definition_versions)
    push_definition = _verb(operations.push_definition)
    retire_definition = _verb(operations.retire_definition)
    queues = _stream(operations.queues)
    pause = _verb(operations.pause)
    resume = _verb(operations.resume)
    dead_letters = _stream(operations.dead_letters)
    requeue = _verb(operations.requeue)
    discard = _verb(operations.discard)
    workers = _stream(operations.workers)
    metrics = _verb(operations.metrics)

    # ---- workflows
    workflows = _stream(processes.workflows)
    workflow = _verb(processes.workflow)
    deploy_workflow = _verb(processes.deploy_workflow)
    start_workflow = _verb(processes.start_workflow)

    # ---- schedules
    schedules = _stream(scheduling.schedules)
    schedule = _verb(scheduling.schedule)
    put_schedule = _verb(scheduling.put_schedule)
    remove_schedule = _verb(scheduling.remove_schedule)
    pause_schedule = _verb(scheduling.pause_schedule)
    resume_schedule = _verb(scheduling.resume_schedule)
    run_schedule = _verb(scheduling.run_schedule)
    backfill_schedule = _verb(scheduling.backfill_schedule)

    # ---- connections
    connections = _stream(connecting.connections)
    connection = _verb(connecting.connection)
    connection_types = _stream(connecting.connection_types)
    put_connection = _verb(connecting.put_connection)
    remove_connection = _verb(connecting.remove_connection)
    try_connection = _verb(connecting.try_connection)
    invoke = _verb(connecting.invoke)

    # ---- webhooks
    subscriptions = _stream(webhooks.subscriptions)
    subscription = _verb(webhooks.subscription)
    subscribe = _verb(webhooks.subscribe)
    change_subscription = _verb(webhooks.change_subscription)
    remove_subscription = _verb(webhooks.remove_subscription)
    rotate_subscription = _verb(webhooks.rotate_subscription)
    ping_subscription = _verb(webhooks.ping_subscription)
    deliveries = _stream(webhooks.deliveries)
    delivery = _verb(webhooks.delivery)
    redeliver = _verb(webhooks.redeliver)
    redeliver_all = _verb(webhooks.redeliver_all)
    callback_secret = _verb(webhooks.callback_secret)

    # ---- working
    dequeue = _verb(leases.dequeue)
    heartbeat = _verb(leases.heartbeat)
    complete_message = _verb(leases.complete_message)
    fail_message = _verb(leases.fail_message)
    retry_message = _verb(leases.retry_message)

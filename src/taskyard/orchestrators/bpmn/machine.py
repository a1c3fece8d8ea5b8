"""An instance of a process: where its tokens are, and its variables. Pure: what has happened comes in, with its time.

The variables are kept beside the tokens, so that nobody's data is ever read as a part of their state.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from SpiffWorkflow.bpmn import BpmnEvent, BpmnWorkflow
from SpiffWorkflow.bpmn.specs.control import BoundaryEventSplit
from SpiffWorkflow.bpmn.specs.defaults import BoundaryEvent
from SpiffWorkflow.bpmn.specs.event_definitions import ErrorEventDefinition
from SpiffWorkflow.exceptions import SpiffWorkflowException
from SpiffWorkflow.task import Task as Token
from SpiffWorkflow.util.task import TaskState

from taskyard.domain.expression import evaluate
from taskyard.domain.json import detail, refusal
from taskyard.domain.outcome import TaskError
from taskyard.orchestrators.bpmn.expressions import condition
from taskyard.orchestrators.bpmn.model import Model, Step, read
from taskyard.orchestrators.bpmn.tokens import CANNOT_RUN, SERIALIZER, Fault, Teller, Timer, begin

_KEPT = 64


class Ended(NamedTuple):
    """How the task of a step ended, at a time in microseconds.

    `held`: it may be asked to run again, so that nothing follows from its error unless the process catches it.
    """

    token: str
    at: int
    output: Any = None
    error: TaskError | None = None
    held: bool = False


class _State(msgspec.Struct):
    """What is kept of an instance: the engine's own text, variables, and the tasks of the tokens that wait for one."""

    engine: str
    variables: dict[str, Any]
    tasks: dict[str, int]


@lru_cache(_KEPT)
def known(source: str) -> Model:
    """The model in a file that its engine can run as well. Raises ValidationFailed."""
    model = read(source)
    try:
        begin(model)
    except CANNOT_RUN as error:
        raise refusal([detail("/source", f"is no process that can be run: {error}", "bpmn")]) from None
    return model


def tasks_in(state: bytes) -> list[int]:
    """The tasks of an instance as it was kept."""
    return sorted(msgspec.json.decode(state, type=_State).tasks.values())


class Machine:
    """An instance. `tasks`: of each token that waits for one. `failure`: why the instance as a whole has failed."""

    def __init__(self, model: Model, workflow: BpmnWorkflow, variables: dict[str, Any], tasks: dict[str, int]) -> None:
        self._model = model
        self._teller = Teller(variables)
        self._workflow = workflow
        workflow.script_engine = self._teller
        self.variables = variables
        self.tasks = tasks
        self.failure: TaskError | None = None
        self._is_new = False

    @classmethod
    def load(cls, model: Model, state: bytes, variables: dict[str, Any]) -> Machine:
        """The instance as it was kept; where nothing was, it begins with these variables."""
        if not state:
            machine = cls(model, begin(model), variables, {})
            machine._is_new = True
            return machine
        kept = msgspec.json.decode(state, type=_State)
        return cls(model, SERIALIZER.deserialize_json(kept.engine), kept.variables, kept.tasks)

    def dump(self) -> bytes:
        """What has to be kept of it."""
        return msgspec.json.encode(_State(SERIALIZER.serialize_json(self._workflow), self.variables, self.tasks))

    @property
    def completed(self) -> bool:
        """Whether every token has come to an end."""
        return bool(self._workflow.completed)

    def advance(self, ended: Iterable[Ended], now: int) -> None:
        """Go on with what has ended and the time up to `now`, everything in the order in which it happened."""
        try:
            if self._is_new:
                self._teller.now, self._is_new = now, False
                self._run()
            for each in sorted(ended, key=lambda each: each.at):
                self._pass_time(min(each.at, now))
                self._end(each)
            self._pass_time(now)
        except (Fault, SpiffWorkflowException, RecursionError) as error:
            self.fail(TaskError("EXECUTION_ERROR", f"the process cannot go on: {error}"))

    def throw(self, token: str, error: TaskError) -> None:
        """The step at a token cannot be asked for."""
        self.advance([Ended(token, self._teller.now, error=error)], self._teller.now)

    def fail(self, error: TaskError) -> None:
        """The instance as a whole has failed; the first reason counts."""
        self.failure = self.failure or error

    def due_steps(self) -> dict[str, Step]:
        """The tokens that stand at a step and have no task yet."""
        return {token: self._model.steps[name] for token, name in self._standing().items() if token not in self.tasks}

    def withdraw(self) -> list[int]:
        """The tasks whose tokens are gone; they are no longer the instance's."""
        standing = self._standing()
        gone = [token for token in self.tasks if token not in standing]
        return [self.tasks.pop(token) for token in gone]

    def next_timer(self) -> int | None:
        """When the next timer goes off."""
        return min((token.internal_data["due"] for token in self._timers()), default=None)

    def _standing(self) -> dict[str, str]:
        found = self._workflow.get_tasks(state=TaskState.READY, manual=True)
        return {str(token.id): token.task_spec.bpmn_id for token in found}

    def _timers(self) -> list[Token]:
        return [
            token
            for token in self._workflow.event_manager.tasks.values()
            if isinstance(token.task_spec.event_definition, Timer) and "due" in token.internal_data
        ]

    def _pass_time(self, until: int) -> None:
        """Let the timers go off that are due by then, one after the other."""
        while self.failure is None:
            at = self.next_timer()
            if at is None or at > until:
                break
            self._teller.now = max(self._teller.now, at)
            self._run()
        self._teller.now = max(self._teller.now, until)

    def _run(self) -> None:
        """Move the tokens until all of them wait."""
        is_moving = True
        while is_moving:
            self._workflow.refresh_timers()
            self._workflow.do_engine_steps(will_complete_task=self._teller.count)
            ready = self._workflow.get_tasks(state=TaskState.READY)
            is_moving = self._compute() or any(not token.task_spec.manual for token in ready)
        for definition in (event.event_definition for event in self._workflow.get_events()):
            if isinstance(definition, ErrorEventDefinition):
                told = "the process ended with an error that nothing catches"
                self.fail(TaskError(definition.code or "EXECUTION_ERROR", told))

    def _compute(self) -> bool:
        """Do what is written in JMESPath; whether there was any."""
        written = [(token, step) for token, step in self.due_steps().items() if step.is_computed]
        for token, step in written:
            try:
                value = evaluate(condition(step.script[1]), self.variables) if step.script else None
            except ValueError as error:
                raise Fault(f"the script of {step.id!r} cannot be told: {error}") from None
            self._complete(self._token(token), step, value)
        return bool(written)

    def _end(self, ended: Ended) -> None:
        token = self._token(ended.token)
        if token is None or token.state != TaskState.READY or self.failure is not None:
            return
        step = self._model.steps[token.task_spec.bpmn_id]
        if ended.error is None:
            self.tasks.pop(ended.token, None)
            self._complete(token, step, ended.output)
        elif self._catch(token, ended.error):
            self.tasks.pop(ended.token, None)
        elif not ended.held:
            error = ended.error
            self.fail(msgspec.structs.replace(error, message=f"the step {step.id!r} failed: {error.message}"))
        self._run()

    def _complete(self, token: Token, step: Step, output: Any) -> None:
        """Take over what the step has made, and let its token go on."""
        fields = output if isinstance(output, dict) else {} if output is None else {"output": output}
        if step.outputs:
            scope = {**self.variables, **fields}
            try:
                fields = {name: text.value(scope) for name, text in step.outputs.items()}
            except ValueError as error:
                raise Fault(f"an output of {step.id!r} cannot be told: {error}") from None
        elif step.result is not None:
            fields = {step.result: output}
        self.variables.update(fields)
        self._teller.count(token)
        token.run()

    def _catch(self, token: Token, error: TaskError) -> bool:
        """Let the nearest event at a boundary around the token catch the error, those that name it before others."""
        inner: Token | None = token
        while inner is not None:
            events = [each for each in _boundary(inner) if each.task_spec.event_definition.code in (None, error.code)]
            if events:
                caught = max(events, key=lambda each: each.task_spec.event_definition.code is not None)
                if isinstance(error.details, dict):
                    self.variables.update(error.details)
                caught.task_spec.catch(caught, BpmnEvent(caught.task_spec.event_definition))
                caught.task_spec._update(caught)
                return True
            around = inner.workflow.parent_task_id
            inner = None if around is None else self._workflow.get_task_from_id(around)
        return False

    def _token(self, id_: str) -> Token | None:
        try:
            return self._workflow.get_task_from_id(UUID(id_))
        except SpiffWorkflowException:
            return None


def _boundary(token: Token) -> list[Token]:
    """The error events that wait at the boundary of a token's activity."""
    parent = token.parent
    if parent is None or not isinstance(parent.task_spec, BoundaryEventSplit):
        return []
    return [
        each
        for each in parent.children
        if isinstance(each.task_spec, BoundaryEvent)
        and isinstance(each.task_spec.event_definition, ErrorEventDefinition)
        and each.state == TaskState.WAITING
    ]

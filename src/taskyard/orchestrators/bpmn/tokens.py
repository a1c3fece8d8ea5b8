"""What SpiffWorkflow is here: it moves tokens through a process, and asks us for everything else.

It holds no variable and executes nothing; conditions and times are told by the `Teller`.
"""

from __future__ import annotations

from typing import Any

from SpiffWorkflow.bpmn import BpmnWorkflow
from SpiffWorkflow.bpmn.parser.BpmnParser import BpmnParser, full_tag
from SpiffWorkflow.bpmn.parser.event_parsers import (
    BoundaryEventParser,
    EventDefinitionParser,
    IntermediateCatchEventParser,
)
from SpiffWorkflow.bpmn.parser.TaskParser import TaskParser
from SpiffWorkflow.bpmn.serializer import BpmnWorkflowSerializer
from SpiffWorkflow.bpmn.serializer.config import DEFAULT_CONFIG
from SpiffWorkflow.bpmn.serializer.default.event_definition import TimerConditionalEventDefinitionConverter
from SpiffWorkflow.bpmn.specs.defaults import BoundaryEvent, IntermediateCatchEvent, UserTask
from SpiffWorkflow.bpmn.specs.event_definitions.timer import TimerEventDefinition
from SpiffWorkflow.exceptions import SpiffWorkflowException
from SpiffWorkflow.task import Task as Token

from taskyard.domain.expression import evaluate
from taskyard.domain.mapping import is_true
from taskyard.orchestrators.bpmn.expressions import condition
from taskyard.orchestrators.bpmn.model import STEPS, Model, due_at

MOST_MOVES = 1000
"""How far an instance may go at once without waiting for anything."""


class Fault(Exception):
    """The process cannot go on."""


class Timer(TimerEventDefinition):  # type: ignore[misc]  # SpiffWorkflow has no types
    """A timer by our time. Its name is the kind and the event it is of, its expression the text in the file."""

    def has_fired(self, my_task: Token) -> bool:
        """Whether it has gone off; when it will is decided where it is first asked for."""
        teller: Teller = my_task.workflow.script_engine
        at = my_task.internal_data.get("due")
        if at is None:
            at = my_task.internal_data["due"] = teller.due_at(self.name.partition(" ")[0], self.expression)
        return bool(at <= teller.now)


class Teller:
    """What the engine asks for: conditions, and the time. It executes nothing."""

    def __init__(self, variables: dict[str, Any]) -> None:
        self.variables = variables
        self.now = 0
        self.moves = 0

    def evaluate(self, task: Token, expression: str, external_context: Any = None) -> bool:
        """Whether a condition holds."""
        del external_context
        try:
            return is_true(evaluate(condition(expression), self.variables))
        except ValueError as error:
            raise Fault(f"a condition of {task.task_spec.name!r} cannot be told: {error}") from None

    def due_at(self, kind: str, text: str) -> int:
        """When a timer that begins now goes off."""
        try:
            return due_at(kind, text, self.variables, self.now)
        except ValueError as error:
            raise Fault(str(error)) from None

    def count(self, task: Token) -> None:
        """One more move."""
        self.moves += 1
        if self.moves > MOST_MOVES:
            raise Fault(f"it went through {MOST_MOVES} elements, last {task.task_spec.name!r}, and waited for nothing")


class _TimerParser(EventDefinitionParser):  # type: ignore[misc]  # SpiffWorkflow has no types
    """Reads a timer as one of ours."""

    def parse_timer_event(self, event: Any) -> Timer:
        """The event's timer."""
        for kind in ("timeDate", "timeDuration"):
            found = event.find(full_tag(kind))
            if found is not None:
                return Timer(f"{kind} {self.node.get('id')}", (found.text or "").strip())
        raise AssertionError("the model has been read")


class _CatchParser(_TimerParser, IntermediateCatchEventParser):  # type: ignore[misc]  # SpiffWorkflow has no types
    """An intermediate event with a timer."""


class _BoundaryParser(_TimerParser, BoundaryEventParser):  # type: ignore[misc]  # SpiffWorkflow has no types
    """An event at an activity's boundary."""


class _Parser(BpmnParser):  # type: ignore[misc]  # SpiffWorkflow has no types
    """To the engine everything that is a task of ours is somebody else's to do."""

    OVERRIDE_PARSER_CLASSES = {  # noqa: RUF012 - theirs
        **{full_tag(tag): (TaskParser, UserTask) for tag in STEPS},
        full_tag("boundaryEvent"): (_BoundaryParser, BoundaryEvent),
        full_tag("intermediateCatchEvent"): (_CatchParser, IntermediateCatchEvent),
    }


CANNOT_RUN = (SpiffWorkflowException, RecursionError, KeyError, NotImplementedError, AssertionError)
SERIALIZER = BpmnWorkflowSerializer(
    BpmnWorkflowSerializer.configure({**DEFAULT_CONFIG, Timer: TimerConditionalEventDefinitionConverter})
)


def begin(model: Model) -> BpmnWorkflow:
    """An instance that has not moved yet. Raises what `CANNOT_RUN` names for a process that cannot be run."""
    parser = _Parser()
    parser.add_bpmn_xml(model.root)
    return BpmnWorkflow(parser.get_spec(model.key), parser.get_subprocess_specs(model.key), script_engine=Teller({}))

"""What a definition says of its manual tasks: the implementation of kind `manual`, read strictly."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from taskyard.domain.definition import Definition
from taskyard.domain.expression import check_expression
from taskyard.domain.json import Detail, detail
from taskyard.domain.people.calendar import Calendar, faults
from taskyard.domain.people.notice import NoticeKind
from taskyard.domain.task import LATEST

_Name = Annotated[str, Meta(min_length=1, max_length=255)]
_Part = Annotated[float, Meta(gt=0, lt=1)]
_Seconds = Annotated[float, Meta(ge=0, le=315_360_000)]

Rule = Literal["fixed", "expression", "roundRobin", "leastLoaded", "skill", "sameAs"]
PICKING: frozenset[Rule] = frozenset({"roundRobin", "leastLoaded", "skill"})
"""The rules that choose among the members of a group."""


class _Strict(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """Nothing that is not known."""


class Assignee(_Strict, frozen=True):
    """A person or a group."""

    type: Literal["USER", "GROUP"]
    id: _Name

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class Assignment(_Strict, frozen=True):
    """Whose a task is.

    `fixed`: `type` and `id`. `expression`: what it finds in `{input, workflow, task}`, a name (of the `type`, by
    default USER) or `{type, id}`. `roundRobin`, `leastLoaded`, `skill`: somebody of `group` who has all `skills`;
    `skill` takes the one with the fewest skills besides. `sameAs`: who did the `step` before in the same workflow.
    Nobody is chosen who has `maxOpen` open tasks already, nor the asker with `excludeAsker`, nor whom the expression
    `exclude` names; they may not claim it either. Where nobody fits it goes to `fallback`, else to `group`.
    `candidates`: who alone of the rule's group is chosen and may claim it, people and groups.
    """

    rule: Rule = "fixed"
    type: Literal["USER", "GROUP"] | None = None
    id: _Name | None = None
    expression: str | None = None
    group: _Name | None = None
    skills: list[_Name] = []
    step: _Name | None = None
    exclude: str | None = None
    exclude_asker: bool = False
    max_open: Annotated[int, Meta(ge=1)] | None = None
    fallback: Assignee | None = None
    candidates: Annotated[list[Assignee], Meta(min_length=1, max_length=100)] | None = None

    @property
    def home(self) -> str | None:
        """The rule's group, where its skills and candidates hold."""
        return self.id if self.rule == "fixed" and self.type == "GROUP" else self.group

    def is_candidate(self, person: str, groups: Collection[str]) -> bool:
        """Whether it is for this person, who is in these groups."""
        return self.candidates is None or any(
            each.id == person if each.type == "USER" else each.id in groups for each in self.candidates
        )


class Due(_Strict, frozen=True):
    """Until when: `after` seconds, `at` a time or an expression that finds one, or so many `businessHours`."""

    after: _Seconds | None = None
    at: str | None = None
    business_hours: Annotated[float, Meta(gt=0, le=20_000)] | None = None
    calendar: Calendar | None = None


class Before(_Strict, frozen=True):
    """So many seconds before the task is due."""

    before: Annotated[float, Meta(gt=0, le=315_360_000)]


class Escalation(_Strict, frozen=True):
    """What happens `after` so many seconds beyond the due date; `complete` ends it with `outcome` and `output`."""

    action: Literal["notify", "reassign", "raisePriority", "complete"]
    after: _Seconds = 0
    to: Assignee | None = None
    priority: Literal["MEDIUM", "HIGH", "CRITICAL"] | None = None
    outcome: Literal["COMPLETED", "FAILED"] | None = None
    output: Any = None


class Approvals(_Strict, frozen=True):
    """How many people have to agree. With `veto` one rejection ends it, else as many as had to agree."""

    required: Annotated[int, Meta(ge=1, le=100)] = 1
    veto: bool = False
    self_approval: bool = False


class OnTimeout(_Strict, frozen=True):
    """How the system ends a task that nobody has ended `after` so many seconds beyond its due date."""

    outcome: Literal["COMPLETED", "FAILED"]
    output: Any = None
    after: _Seconds = 0


class Template(_Strict, frozen=True):
    """The words of a notice, in Jinja2 over `{task, notice, person, link}`; without `html` the text will do."""

    subject: Annotated[str, Meta(min_length=1, max_length=500)]
    text: Annotated[str, Meta(min_length=1, max_length=20_000)]
    html: Annotated[str, Meta(max_length=100_000)] | None = None


class Manual(_Strict, frozen=True):
    """The implementation of a manual task; of the kind `repair`, what people do with a task that has failed.

    `form` has hints by field: of the result, and of a repair's input.
    """

    kind: Literal["manual", "repair"] = "manual"
    assignment: Assignment | None = None
    form: dict[str, Any] | None = None
    due: Due | None = None
    reminders: Annotated[list[_Part | Before], Meta(max_length=20)] = []
    escalation: Annotated[list[Escalation], Meta(max_length=20)] = []
    approvals: Approvals | None = None
    on_timeout: OnTimeout | None = None
    notifications: dict[NoticeKind, Template] = {}
    ui: dict[str, Any] | None = None

    def ends(self) -> list[tuple[str, Escalation | OnTimeout]]:
        """How time may end it, each with its JSON Pointer."""
        steps = [(f"/escalation/{n}", each) for n, each in enumerate(self.escalation) if each.action == "complete"]
        return [*steps, *([] if self.on_timeout is None else [("/onTimeout", self.on_timeout)])]


def read_manual(implementation: dict[str, Any]) -> Manual:
    """The implementation of a stored definition."""
    return msgspec.convert(implementation, Manual)


def read_repair(repair: dict[str, Any]) -> Manual:
    """The repair of a stored definition."""
    return msgspec.convert({**repair, "kind": "repair"}, Manual)


def work_of(definition: Definition) -> Manual:
    """What the definition says of its tasks when people have them."""
    if definition.kind == "manual":
        return read_manual(definition.implementation)
    return Manual() if definition.task_type == "MANUAL" else read_repair(definition.repair or {})


def manual_faults(manual: Manual) -> list[Detail]:
    """What no schema can say is wrong with it, with JSON Pointers from the implementation on."""
    found = [
        *_assignment_faults(manual.assignment or Assignment(type="USER", id="-")),
        *_due_faults(manual.due or Due(after=0)),
        *_escalation_faults(manual),
        *_approval_faults(manual),
    ]
    return [detail(path, message, "manual") for path, message in found]


def _assignment_faults(assignment: Assignment) -> Iterator[tuple[str, str]]:
    wanted = {
        "fixed": ("type", "id"), "expression": ("expression",), "sameAs": ("step",), "skill": ("group", "skills"),
        "roundRobin": ("group",), "leastLoaded": ("group",),
    }[assignment.rule]  # fmt: skip
    for name in wanted:
        if not getattr(assignment, name):
            yield f"/assignment/{name}", f"is required by the rule {assignment.rule}"
    unused = {"id", "expression", "step"} - set(wanted)
    for name in sorted(unused):
        if getattr(assignment, name) is not None:
            yield f"/assignment/{name}", f"says nothing to the rule {assignment.rule}"
    if assignment.home is None:
        for name in ("skills", "candidates"):
            if getattr(assignment, name):
                yield f"/assignment/{name}", "hold in a group, and the assignment names none"
    for name in ("expression", "exclude"):
        if (text := getattr(assignment, name)) is not None:
            try:
                check_expression(text)
            except ValueError as error:
                yield f"/assignment/{name}", str(error)


def _due_faults(due: Due) -> Iterator[tuple[str, str]]:
    given = [each for each in (due.after, due.at, due.business_hours) if each is not None]
    if len(given) != 1:
        yield "/due", "must have exactly one of after, at and businessHours"
    if due.calendar is not None:
        if due.business_hours is None:
            yield "/due/calendar", "is only for businessHours"
        yield from ((f"/due/calendar{path}", message) for path, message in faults(due.calendar))
    if due.at is not None and parse_time(due.at) is None:
        try:
            check_expression(due.at)
        except ValueError as error:
            yield "/due/at", f"is neither a time with its offset nor an expression: {error}"


def _escalation_faults(manual: Manual) -> Iterator[tuple[str, str]]:
    for index, step in enumerate(manual.escalation):
        if step.action == "reassign" and step.to is None:
            yield f"/escalation/{index}/to", "is required to reassign"
        if step.action == "raisePriority" and step.priority is None:
            yield f"/escalation/{index}/priority", "is required to raise the priority"
        if step.action == "complete" and step.outcome is None:
            yield f"/escalation/{index}/outcome", "is required to complete"
        elif step.action != "complete" and (step.outcome is not None or step.output is not None):
            yield f"/escalation/{index}/outcome", f"says nothing to the action {step.action}"


def _approval_faults(manual: Manual) -> Iterator[tuple[str, str]]:
    if manual.approvals is None:
        return
    if manual.kind == "repair":
        yield "/approvals", "is for manual tasks: a repair is one person's"
    rule = manual.assignment
    is_one_persons = rule is not None and (rule.type == "USER" or rule.rule in PICKING or rule.rule == "sameAs")
    if manual.approvals.required > 1 and is_one_persons:
        yield "/approvals/required", "needs as many people, and the assignment is to one; assign it to a GROUP"
    named = None if rule is None else rule.candidates
    if named and all(each.type == "USER" for each in named) and len({*map(str, named)}) < manual.approvals.required:
        yield "/approvals/required", "needs as many people, and the assignment has fewer candidates"


def parse_time(text: str) -> int | None:
    """An ISO-8601 time with its offset in microseconds; None where it is none, or not from 1970 to `LATEST`."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    at = None if when.tzinfo is None else round(when.timestamp() * 1_000_000)
    return at if at is not None and 0 <= at <= LATEST else None

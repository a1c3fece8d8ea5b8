"""Figures of people's work, for operators and for Prometheus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.engine.engine import Engine

routes = Routes("People")


class Span(schemas.Answer):
    """Seconds: the median, and what 95 and 99 of 100 do not exceed."""

    p50: float | None
    p95: float | None
    p99: float | None


class Work(schemas.Answer):
    """One definition's tasks, of one group or (null) of persons: what is open now, and what was ended in the last 24
    hours. It waited until it was claimed; `slaKept`: which part of what had a due date was ended by then.
    """

    definition: str
    group: str | None
    open: int
    unclaimed: int
    overdue: int
    oldest_age: float | None
    ended: int
    waiting_time: Span
    claim_time: Span
    completion_time: Span
    sla_kept: float | None


class PersonLoad(schemas.Answer):
    """How much somebody has to do."""

    person: str
    open: int
    overdue: int


class WorkMetrics(schemas.Answer):
    """Work by definition and group, and the persons who have most of it."""

    work: list[Work]
    persons: list[PersonLoad]


@routes.add("GET /api/v1/people/metrics", answers={200: WorkMetrics})
async def read(call: Call) -> Response:
    """How people's work goes."""
    return answer(await call.engine.work.figures())


async def work_gauges(engine: Engine) -> list[GaugeMetricFamily]:
    """The same for Prometheus."""
    figures = await engine.work.figures()
    work = figures["work"]
    names = ("definition", "group")
    gauges = [
        _gauge(f"taskyard_people_{name}", text, names, [(_of(each), each[key]) for each in work])
        for name, key, text in _GAUGES
    ]
    spans = [
        ((*_of(each), span, f"0.{quantile[1:]}"), each[key][quantile])
        for each in work
        for span, key in _SPANS
        for quantile in each[key]
    ]
    labels = (*names, "span", "quantile")
    gauges.append(_gauge("taskyard_people_time_seconds", "How long people's tasks took, of 24 hours.", labels, spans))
    for name, key, text in _PERSON_GAUGES:
        values = [((each["person"],), each[key]) for each in figures["persons"]]
        gauges.append(_gauge(f"taskyard_person_{name}", text, ("person",), values))
    return gauges


_GAUGES = (
    ("open", "open", "People's tasks that are open."),
    ("unclaimed", "unclaimed", "Of these, a group's that nobody has claimed."),
    ("overdue", "overdue", "Of these, those that are overdue."),
    ("oldest_age_seconds", "oldestAge", "How long the oldest is open."),
    ("sla_kept_ratio", "slaKept", "Which part of what was ended in 24 hours was ended by its due date."),
)
_SPANS = (("waiting", "waitingTime"), ("claim", "claimTime"), ("completion", "completionTime"))
_PERSON_GAUGES = (
    ("open", "open", "Open tasks of a person; the busiest 500."),
    ("overdue", "overdue", "Of these, those that are overdue."),
)


def _of(work: dict[str, Any]) -> tuple[str, str]:
    return work["definition"], work["group"] or ""


def _gauge(
    name: str, text: str, labels: tuple[str, ...], values: Sequence[tuple[tuple[str, ...], float | None]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for of, number in values:
        if number is not None:
            family.add_metric(of, float(number))
    return family

"""For operators and their programs: health, metrics, who am I."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.work_metrics import work_gauges
from taskyard.domain.lifecycle import State
from taskyard.engine.engine import Engine
from taskyard.engine.metrics import dependencies, queue_figures, workers
from taskyard.engine.unread import waiting_events
from taskyard.errors import Overloaded

routes = Routes("Operations")

_PATIENCE = 5.0


class Health(schemas.Answer):
    """How it is."""

    status: str


class Readiness(Health):
    """That it is ready, and how the circuit of each thing that is called stands: closed, half-open or open.

    `tiers`: how the code of definitions is confined by workers, as `kind:tier`.
    """

    dependencies: dict[str, str]
    tiers: list[str]


@routes.add("GET /healthz", answers={200: Health})
async def tell_health(call: Call) -> Response:
    """Whether the process answers."""
    del call
    return answer({"status": "ok"})


@routes.add("GET /readyz", answers={200: Readiness})
async def tell_readiness(call: Call) -> Response:
    """Whether the store can be reached and keeps what it is given, so that requests make sense; how the circuits of
    what is called stand; and the tiers in which workers run code.
    """
    try:
        async with asyncio.timeout(_PATIENCE):
            await call.engine.readiness.check()
            known = await dependencies(call.engine, call.services.dependencies())
            tiers = sorted({tier for worker in await workers(call.engine) for tier in worker["tiers"]})
    except TimeoutError:
        raise Overloaded("The store does not answer.", retry_after=_PATIENCE) from None
    states = {name: each["state"] for name, each in known.items()}
    return answer({"status": "ready", "dependencies": states, "tiers": tiers})


@routes.add("GET /metrics", answers={200: {"text/plain": {"schema": {"type": "string"}}}})
async def tell_metrics(call: Call) -> Response:
    """Figures for Prometheus."""
    registry = CollectorRegistry()
    registry.register(_Collected(await _gauges(call.engine, call.services.dependencies())))
    return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


@routes.add("GET /api/v1/me", answers={200: schemas.Me})
async def tell_who(call: Call) -> Response:
    """Who is asking, and what they may do."""
    caller = call.caller
    return answer({"subject": caller.subject, "scopes": sorted(caller.scopes), "groups": sorted(caller.groups)})


class _Collected(Collector):
    """Figures that are at hand, as Prometheus' library wants them."""

    def __init__(self, gauges: list[GaugeMetricFamily]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The figures."""
        return self._gauges


async def _gauges(engine: Engine, own: dict[str, dict[str, Any]]) -> list[GaugeMetricFamily]:
    queues = await queue_figures(engine)
    alive = await workers(engine)
    per_queue = [
        _gauge(f"taskyard_queue_{name}", text, "queue", [(each["name"], each[key] or 0) for each in queues])
        for name, key, text in _QUEUE_GAUGES
    ]
    per_worker = [
        _gauge(f"taskyard_worker_{name}", text, "worker", [(each["workerId"], each[key] or 0) for each in alive])
        for name, key, text in _WORKER_GAUGES
    ]
    counts: dict[State, int] = dict.fromkeys(State, 0)
    for _, state, count in await engine.tally.counts():
        counts[state] += count
    circuits: list[tuple[str | None, Any]] = [
        (name, each["state"] != "closed") for name, each in (await dependencies(engine, own)).items()
    ]
    waiting: list[tuple[str | None, Any]] = list((await waiting_events(engine)).items())
    return [
        *per_queue,
        _gauge("taskyard_tasks", "Tasks of the last 24 hours.", "state", [(s.value, n) for s, n in counts.items()]),
        _gauge("taskyard_workers", "Workers that live.", None, [(None, len(alive))]),
        *per_worker,
        _gauge("taskyard_circuit_open", "Whether calls to it are cut off, or only probed.", "circuit", circuits),
        _gauge("taskyard_events_waiting", "Events that what reads them here has not had.", "reader", waiting),
        *await work_gauges(engine),
    ]


_QUEUE_GAUGES = (
    ("depth", "depth", "Tasks that wait."),
    ("in_flight", "inFlight", "Tasks under lease."),
    ("oldest_age_seconds", "oldestAge", "How long the oldest has waited."),
    ("paused", "paused", "Whether nothing is dequeued."),
    ("add_rate", "addRate", "Tasks added per second over the last minute."),
    ("dispatch_rate", "dispatchRate", "Tasks dequeued per second over the last minute."),
)
_WORKER_GAUGES = (
    ("slots", "slots", "Tasks it can run at once."),
    ("running", "running", "Tasks it runs."),
    ("heartbeat_age_seconds", "heartbeatAge", "Since its last sign of life."),
)


def _gauge(name: str, text: str, label: str | None, values: list[tuple[str | None, Any]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[] if label is None else [label])
    for value_of_label, number in values:
        family.add_metric([] if value_of_label is None else [value_of_label], float(number))
    return family

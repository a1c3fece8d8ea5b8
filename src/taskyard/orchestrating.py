"""From settings to the orchestrators: those whose processes can be started, and those whose work is done here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from taskyard.engine.engine import Engine
from taskyard.engine.orchestrator import OURS, Orchestrator
from taskyard.orchestrators.bpmn.orchestrator import Bpmn
from taskyard.orchestrators.bridge import Bridge
from taskyard.settings import Settings

if TYPE_CHECKING:  # commands that call nobody start without it
    from taskyard.orchestrators.camunda7.client import Camunda
    from taskyard.security.egress.client import Egress

MakeEgress = Callable[[], "Egress"]


def make_orchestrators(engine: Engine, settings: Settings, egress: MakeEgress) -> dict[str, Orchestrator]:
    """What knows processes, by the names that people give."""
    known: dict[str, Orchestrator] = {OURS: Bpmn(engine)}
    camunda = _camunda(settings, egress)
    if camunda is not None:
        from taskyard.orchestrators.camunda7.processes import ENGINE, CamundaProcesses

        known[ENGINE] = CamundaProcesses(camunda)
    return known


def make_bridges(engine: Engine, settings: Settings, egress: MakeEgress) -> list[Bridge]:
    """What does the work of other orchestrators here."""
    bridges: list[Bridge] = []
    camunda, zeebe_url = _camunda(settings, egress), settings["TASKYARD_ZEEBE_URL"]
    if camunda is not None:
        from taskyard.orchestrators.camunda7.external import ExternalTasks
        from taskyard.orchestrators.camunda7.user import UserTasks

        bridges.append(ExternalTasks(engine, camunda))
        if settings["TASKYARD_CAMUNDA_USER_TASKS"]:
            bridges.append(UserTasks(engine, camunda))
    if zeebe_url:
        from taskyard.orchestrators.camunda8 import Jobs, Zeebe

        zeebe = Zeebe(zeebe_url, egress().trusting(zeebe_url), settings["TASKYARD_ZEEBE_AUTHORIZATION"])
        bridges.append(Jobs(engine, zeebe))
    return bridges


def _camunda(settings: Settings, egress: MakeEgress) -> Camunda | None:
    url = settings["CAMUNDA_URL"]
    if not url:
        return None
    from taskyard.orchestrators.camunda7.client import Camunda

    return Camunda(url, egress().trusting(url), settings["TASKYARD_CAMUNDA_AUTHORIZATION"])

"""From settings to the orchestrators: those whose processes can be started, and those whose work is done here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from taskyard.engine.engine import Engine
from taskyard.engine.orchestrator import OURS, Orchestrator
from taskyard.errors import ConfigurationError
from taskyard.orchestrators.bpmn.orchestrator import Bpmn
from taskyard.orchestrators.bridge import Bridge
from taskyard.settings import Settings

if TYPE_CHECKING:  # commands that call nobody start without it
    from taskyard.calls.tokens import Tokens
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
        bridges += _zeebe(engine, settings, egress())
    return bridges


def _zeebe(engine: Engine, settings: Settings, egress: Egress) -> list[Bridge]:
    from taskyard.orchestrators.camunda8.client import Zeebe
    from taskyard.orchestrators.camunda8.jobs import Jobs
    from taskyard.orchestrators.camunda8.user import UserTasks

    url = settings["TASKYARD_ZEEBE_URL"]
    zeebe = Zeebe(
        url, egress.trusting(url), settings["TASKYARD_ZEEBE_AUTHORIZATION"], tokens=_zeebe_tokens(settings, egress)
    )
    user_tasks: list[Bridge] = [UserTasks(engine, zeebe)] if settings["TASKYARD_ZEEBE_USER_TASKS"] else []
    return [Jobs(engine, zeebe), *user_tasks]


def _zeebe_tokens(settings: Settings, egress: Egress) -> Tokens | None:
    """The tokens of Camunda's SaaS, or of a token endpoint of one's own. Raises ConfigurationError."""
    id_, secret = settings["TASKYARD_ZEEBE_CLIENT_ID"], settings["TASKYARD_ZEEBE_CLIENT_SECRET"]
    if bool(id_) != bool(secret):
        raise ConfigurationError("TASKYARD_ZEEBE_CLIENT_ID and TASKYARD_ZEEBE_CLIENT_SECRET go together; set both")
    if not id_:
        return None
    if settings["TASKYARD_ZEEBE_AUTHORIZATION"]:
        raise ConfigurationError("TASKYARD_ZEEBE_AUTHORIZATION and TASKYARD_ZEEBE_CLIENT_ID are both set; unset one")
    from taskyard.calls.tokens import Client, Tokens

    url, audience = settings["TASKYARD_ZEEBE_TOKEN_URL"], settings["TASKYARD_ZEEBE_AUDIENCE"]
    client = Client(url, id_, secret, {"audience": audience} if audience else {}, in_body=True)
    return Tokens(client, egress.trusting(url))


def _camunda(settings: Settings, egress: MakeEgress) -> Camunda | None:
    url = settings["CAMUNDA_URL"]
    if not url:
        return None
    from taskyard.orchestrators.camunda7.client import Camunda

    return Camunda(url, egress().trusting(url), settings["TASKYARD_CAMUNDA_AUTHORIZATION"])

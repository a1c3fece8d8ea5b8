"""From settings to how people are told of their tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from taskyard.contracts.clock import Clock
from taskyard.contracts.directory import Directory
from taskyard.contracts.executor import Executor
from taskyard.contracts.telling import Carrier
from taskyard.domain.system import Render
from taskyard.engine.engine import Engine
from taskyard.notify.people.executor import NoticeExecutor, Telling
from taskyard.notify.people.planner import Planner
from taskyard.security.keys import derive
from taskyard.security.links import LinkSigner
from taskyard.services.notification import NotificationService
from taskyard.services.service import Service
from taskyard.settings import Settings

if TYPE_CHECKING:
    from taskyard.security.egress.client import Egress


class Notifying(NamedTuple):
    """What people are told with; `service`: the platform's notification service, where there is one."""

    engine: Engine
    directory: Directory
    settings: Settings
    clock: Clock
    egress: Callable[[], Egress]
    master_key: Callable[[], bytes]
    service: Service | None


def make_planner(means: Notifying) -> Planner:
    """What notes for people what they are to know."""
    settings = means.settings
    set_up = {"slack", "webhook"}
    if means.service is not None:
        set_up.add("service")
    if settings["TASKYARD_SMTP_URL"] and settings["TASKYARD_MAIL_FROM"]:
        set_up.add("email")
    return Planner(means.engine, means.directory, set_up)


def make_notice_executor(means: Notifying) -> Executor:
    """What runs the tasks that tell people."""
    telling = Telling(
        _carriers(means),
        lambda task_id: _link(means, task_id),
        lambda person, task_id: _signing_in(means, person, task_id),
        _render,
    )
    return NoticeExecutor(means.engine, means.directory, telling)


def _carriers(means: Notifying) -> dict[str, Carrier]:
    from taskyard.calls.mail import parse_mail_url
    from taskyard.notify.people.carriers import Hook, Mail, Slack

    settings, now = means.settings, means.engine.store.now
    found: dict[str, Carrier] = {
        "slack": Slack(means.egress),
        "webhook": Hook(means.egress, lambda: derive(means.master_key(), "callbacks"), now),
    }
    if means.service is not None:
        found["service"] = NotificationService(means.service)
    if settings["TASKYARD_SMTP_URL"] and settings["TASKYARD_MAIL_FROM"]:
        server = parse_mail_url(settings["TASKYARD_SMTP_URL"])
        found["email"] = Mail(means.egress, server, settings["TASKYARD_MAIL_FROM"], now)
    return found


def _link(means: Notifying, task_id: str | None) -> str:
    """Where a message leads: to the task, for who is signed in."""
    return f"{_base(means)}/admin/inbox" + (f"/{task_id}" if task_id else "")


def _signing_in(means: Notifying, person: str, task_id: str | None) -> str:
    """The same by way of signing in, if the operator wants that."""
    settings = means.settings
    # That a link was used is remembered as long as what has ended; one that holds for longer could be used again.
    hours = min(settings["TASKYARD_NOTIFY_LINK_HOURS"], settings["TASK_RETENTION_DAYS"] * 24)
    if not hours:
        return _link(means, task_id)
    expires = means.clock.now() / 1_000_000 + hours * 3600
    token = LinkSigner(derive(means.master_key(), "links")).issue(person, task_id, expires)
    return f"{_base(means)}/signin?link={token}"


def _base(means: Notifying) -> str:
    settings = means.settings
    return settings["TASKYARD_URL"].rstrip("/") or f"http://{settings['TASKYARD_HOST']}:{settings['TASKYARD_PORT']}"


async def _render(template: str, values: Mapping[str, Any], html: bool) -> str:
    from taskyard.executors.system.template import render

    return (await render(Render(template, dict(values), html))).text

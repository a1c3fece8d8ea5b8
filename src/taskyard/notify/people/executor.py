"""Carrying notices: each task tells one person, by the first of their ways that works."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import msgspec
import structlog

from taskyard.contracts.directory import Directory
from taskyard.contracts.executor import Fallback, Job, Run
from taskyard.contracts.notices import NoticeRow
from taskyard.contracts.telling import Carrier, Message
from taskyard.domain.definition import Definition, Kind
from taskyard.domain.outcome import Done, Failed, Report, TaskError
from taskyard.domain.people.assignment import Person
from taskyard.domain.people.notice import Words, digest_words, one_line, words
from taskyard.domain.people.preferences import Preferences, Way, ways
from taskyard.domain.people.spec import Template, work_of
from taskyard.domain.task import tell, to_json
from taskyard.domain.text import printable
from taskyard.engine.engine import Engine
from taskyard.engine.own import NOTIFY
from taskyard.engine.people.notices import notice_json
from taskyard.engine.query import know
from taskyard.errors import CallFailed, TaskyardError

_PLAIN = Preferences()

log = structlog.get_logger("taskyard.notices")

Render = Callable[[str, Mapping[str, Any], bool], Awaitable[str]]
"""A template with these values as text; in HTML what is put in is escaped. Raises where it cannot be had."""


class Ask(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Whom to tell, and which of their notices."""

    person: str
    notices: list[str]


class Telling(NamedTuple):
    """What it takes: the channels by name, how links are made (task id) and how templates are rendered.

    A link of `signing_in` (person, task id) signs its reader in: it goes to nobody but by mail.
    """

    carriers: Mapping[str, Carrier]
    link: Callable[[str | None], str]
    signing_in: Callable[[str, str | None], str]
    render: Render


class NoticeExecutor:
    """Runs the tasks that carry notices."""

    def __init__(self, engine: Engine, directory: Directory, telling: Telling) -> None:
        self._engine = engine
        self._directory = directory
        self._telling = telling

    def can_run(self, definition: Definition, target: str = "") -> bool:
        """See the contract."""
        return not target and definition.key == NOTIFY.key and definition.implementation == NOTIFY.implementation

    def bind(self, kind: Kind) -> Run:
        """See the contract."""
        del kind
        return self._run

    def fallback(self, kind: Kind) -> Fallback | None:
        """See the contract: the notice can be read here in any case."""
        del kind
        return None

    async def start(self) -> None:
        """See the contract."""

    async def stop(self) -> None:
        """See the contract."""

    async def _run(self, job: Job) -> Report:
        try:
            asked = msgspec.json.decode(job.claimed.input, type=Ask)
            ids = [int(each) for each in asked.notices]
        except (msgspec.MsgspecError, ValueError) as error:
            return Failed(TaskError("VALIDATION_ERROR", f"this names no notices: {error}", retryable=False))
        rows = [row for row in await self._engine.store.notices_by_id(ids) if row.person == asked.person]
        if not rows:
            return Done({"channel": None})
        person = await self._directory.person(asked.person) or Person(asked.person)
        wish = (await self._engine.store.preferences([person.id])).get(person.id, _PLAIN)
        return await self._tell(job, person, rows, ways(wish, person, self._telling.carriers))

    async def _tell(self, job: Job, person: Person, rows: list[NoticeRow], by: list[Way]) -> Report:
        """By the first way that works; what did not is told with the task."""
        warnings: list[dict[str, Any]] = []
        may_come = False
        for way in by:
            message, wrong = await self._message(person, rows, self._link(way, person, rows))
            warnings += [each for each in wrong if each not in warnings]
            try:
                await self._telling.carriers[way.channel].send(message, way.address)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one channel, there is the next
                may_come |= _may_come(error)
                warnings.append({"item": {"channel": way.channel}, "error": _told(error)})
                job.log("warning", f"{way.channel} did not take it: {_told(error)}")
            else:
                return Done({"channel": way.channel, "notices": len(rows)}, tuple(warnings))
        if not by:
            return Done({"channel": None, "notices": len(rows)})
        return Failed(TaskError("NOTIFICATION_FAILED", "no channel has taken it", warnings, retryable=may_come))

    def _link(self, way: Way, person: Person, rows: list[NoticeRow]) -> str:
        """Where the message leads; others may read along on every channel but mail."""
        task_id = str(rows[0].task_id) if len(rows) == 1 and rows[0].task_id else None
        return self._telling.signing_in(person.id, task_id) if way.channel == "email" else self._telling.link(task_id)

    async def _message(self, person: Person, rows: list[NoticeRow], link: str) -> tuple[Message, list[dict[str, Any]]]:
        """The message, and what was wrong with its template."""
        told = [notice_json(row) for row in rows]
        kind: Any = rows[0].kind
        message = Message(f"notice-{rows[0].id}", person, kind, words(kind, told[0], link), link, told)
        if len(rows) > 1:
            several = [(row.kind, one) for row, one in zip(rows, told, strict=True)]
            return message._replace(kind="digest", words=digest_words(several, link)), []  # type: ignore[arg-type]  # a text
        known = await know(self._engine, [rows[0].task_id])
        template = work_of(known[0].kind.definition).notifications.get(kind) if known else None
        if template is None:
            return message, []
        values = {
            "task": to_json(tell(*known[0])), "notice": told[0], "link": link,
            "person": {"id": person.id, "name": person.name or person.id},
        }  # fmt: skip
        try:
            return message._replace(words=await self._rendered(template, values)), []
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a template, the plain words go out
            key = known[0].kind.definition.key
            log.warning("a template failed; the plain words are sent", definition=key, kind=kind, reason=_told(error))
            return message, [{"item": {"definition": key, "template": kind}, "error": _told(error)}]

    async def _rendered(self, template: Template, values: dict[str, Any]) -> Words:
        render = self._telling.render
        subject = one_line(await render(template.subject, values, False))
        html = None if template.html is None else await render(template.html, values, True)
        return Words(subject, printable(await render(template.text, values, False)), html)


def _may_come(error: Exception) -> bool:
    """Whether it may work later."""
    return error.retryable if isinstance(error, CallFailed) else isinstance(error, TaskyardError | OSError)


def _told(error: Exception) -> str:
    text = error.message if isinstance(error, TaskyardError) else f"{type(error).__name__}: {error}"
    return one_line(text, 500)

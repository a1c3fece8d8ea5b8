"""One request, as the routes see it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import structlog
from starlette.datastructures import Headers
from starlette.types import Receive, Scope

from taskyard.api.access import Access
from taskyard.api.bodies import read_json
from taskyard.api.errors import ClientGone
from taskyard.api.services import ApiServices
from taskyard.api.shapes import Shape
from taskyard.domain.ids import parse_id
from taskyard.domain.json import check, detail, dumps, refusal
from taskyard.engine.engine import Engine
from taskyard.engine.query import know_one
from taskyard.errors import Malformed, NotFound, Overloaded, PayloadTooLarge, ValidationFailed
from taskyard.security.caller import Caller

T = TypeVar("T")

log = structlog.get_logger("taskyard.audit")

_NUMBERS = {"integer": int, "number": float}
_BOOLEANS = {"true": True, "false": False}
_MAX_QUERY_FIELDS = 100
_STOPPING_RETRY_AFTER = 1.0


class Call:
    """A request that was let in. Bodies and queries are read when they are asked for, after what comes before them."""

    def __init__(self, services: ApiServices, caller: Caller, access: Access, scope: Scope, receive: Receive) -> None:
        self.services = services
        self.caller = caller
        self.access = access
        self.scope = scope
        self._receive = receive
        self._done: list[tuple[str, dict[str, Any]]] = []

    @property
    def engine(self) -> Engine:
        """The engine."""
        return self.services.engine

    @cached_property
    def headers(self) -> Headers:
        """The request's headers."""
        return Headers(scope=self.scope)

    def audit(self, action: str, *, kept: bool = True, **facts: Any) -> None:
        """Leave word of an action that no task's own trail records: in the log, and in the journal. What programs do
        all the time is not `kept` there.
        """
        log.info(action, by=self.caller.subject, **facts)
        if kept:
            self._done.append((action, facts))

    async def write_journal(self) -> None:
        """Keep what was done. Where the store fails at it, the log alone has it."""
        for action, facts in self._done:
            try:
                await self.engine.store.write_journal(self.caller.subject, action, dumps(facts))
            except Exception as error:  # noqa: BLE001 - it is done, and so it is answered
                log.warning("the journal could not be written", action=action, error=str(error) or repr(error))

    # ---- the address
    @property
    def root(self) -> str:
        """The path below which this application is mounted."""
        return str(self.scope.get("root_path", ""))

    def param(self, name: str) -> str:
        """A part of the path. Raises NotFound for text that names nothing in any store."""
        text = str(self.scope["path_params"][name])
        if "\0" in text:
            raise NotFound("there is nothing with that name")
        return text

    def task_id(self, name: str = "taskId") -> int:
        """The task id in the path. Raises NotFound when it cannot be one."""
        return parse_task_id(self.param(name))

    def query(self, shape: Shape[T]) -> T:
        """The query, each parameter read as its type says. Raises ValidationFailed, for unknown ones too."""
        return shape.parse(_read_query(self.scope["query_string"], shape.fields))

    # ---- the body
    async def body(self, shape: Shape[T], *, optional: bool = False, large: bool = False) -> T:
        """The body. Raises Malformed, PayloadTooLarge, ValidationFailed."""
        return shape.parse(await self.json(optional=optional, large=large))

    async def json(self, *, optional: bool = False, large: bool = False) -> Any:
        """The body as any JSON value; `{}` for an empty one that is `optional`."""
        limit = self.services.max_large_body if large else self.services.max_body
        return await read_json(self.headers, self._receive, limit, optional=optional)

    async def body_about(self, task_id: int, shape: Shape[T], *, optional: bool = False) -> T:
        """The body of a request about a task. Where there is no such task, NotFound comes before all other errors."""
        try:
            return await self.body(shape, optional=optional)
        except (Malformed, PayloadTooLarge, ValidationFailed):
            await know_one(self.engine, task_id)
            raise

    @property
    def receive(self) -> Receive:
        """The body's raw messages, for who reads it by themselves."""
        return self._receive

    # ---- waiting
    async def while_here(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` gives, if it does before the client leaves (ClientGone) or the server stops (Overloaded)."""
        task = asyncio.create_task(work)
        ends = [asyncio.create_task(self._gone()), asyncio.create_task(self.services.closing.wait())]
        try:
            await asyncio.wait({task, *ends}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
        finally:
            for each in (task, *ends):
                each.cancel()
            await asyncio.gather(task, *ends, return_exceptions=True)
        if self.services.closing.is_set():
            raise Overloaded("The server is stopping; ask again in a moment.", retry_after=_STOPPING_RETRY_AFTER)
        raise ClientGone

    async def _gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


def parse_task_id(text: str) -> int:
    """The id in `text`. Raises NotFound when it cannot be one."""
    number = parse_id(text)
    if number is None:
        raise NotFound(f"there is no task {text[:40]!r}")
    return number


def _read_query(raw: bytes, fields: dict[str, Any]) -> dict[str, Any]:
    try:
        pairs = parse_qsl(raw.decode("latin-1"), keep_blank_values=True, max_num_fields=_MAX_QUERY_FIELDS)
    except ValueError as error:
        raise Malformed(f"The query cannot be read: {error}.") from None
    given: dict[str, Any] = {}
    for name, text in pairs:
        schema = _form(fields.get(name, {}))
        if schema.get("type") == "array":
            given.setdefault(name, []).extend(text.split(","))
        elif name in given:
            raise refusal([detail(f"/{name}", "is given more than once", "maxItems")])
        else:
            given[name] = _read_text(text, schema.get("type"))
    check(given)
    return given


def _form(schema: dict[str, Any]) -> dict[str, Any]:
    """The form a parameter has when it is given."""
    return next((form for form in schema.get("anyOf", ()) if form.get("type") != "null"), schema)


def _read_text(text: str, type_: str | None) -> Any:
    """The text as a number or a truth where one is wanted; left as it is where it is none, for the check to refuse."""
    if type_ == "boolean":
        return _BOOLEANS.get(text, text)
    try:
        return _NUMBERS[type_](text) if type_ in _NUMBERS and text.isascii() else text
    except ValueError:
        return text

"""Talks: what a verb says to the server and makes of its answers, without doing any of it.

A talk is a generator. It yields steps (a request to send, a pause to make, a socket to open or read, an item to
hand to the caller), is sent what came of each, and returns its result. So a verb is written once, and the two
clients differ only in how they carry out a step.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar
from urllib.parse import quote

import msgspec

from taskyard.client.errors import NotTaskyard, read_error
from taskyard.domain.json import dumps

T = TypeVar("T")
JsonObject: TypeAlias = dict[str, Any]

API = "/api/v1"
INTERNAL = "/api/internal"
MOST = 200
"""The most items a page may have."""

_TRIES = 4
_LONGEST_PAUSE = 30.0
_SAFE = frozenset({"GET", "PUT", "DELETE"})


class Request(NamedTuple):
    """A request to send; answered with an Answer. `waits`: seconds the server may take on purpose.

    `repeatable`: sending it twice does what sending it once does.
    """

    method: str
    path: str
    query: Mapping[str, Any] = {}
    content: bytes | None = None
    upload: tuple[str, bytes] | None = None
    waits: float = 0.0
    repeatable: bool = False


class Answer(NamedTuple):
    """What the server answered; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Pause(NamedTuple):
    """Let so many seconds pass."""

    seconds: float


class Open(NamedTuple):
    """Open the talk's socket, in place of the one before. Raises SocketLost, SocketRefused."""

    path: str


class Read(NamedTuple):
    """The next message of the talk's socket, as text. Raises SocketLost, SocketRefused."""


class Emit(NamedTuple, Generic[T]):
    """Hand an item to whoever iterates."""

    item: T


Step: TypeAlias = Request | Pause | Open | Read
Talk: TypeAlias = Generator[Step | Emit[Any], Any, T]
Stream: TypeAlias = Generator[Step | Emit[T], Any, None]


def ask(request: Request) -> Talk[Answer]:
    """The answer. Where the server says when to come back, and it is safe, it is asked again a few times.

    Raises the TaskyardError that the server answered.
    """
    for last in (False,) * (_TRIES - 1) + (True,):
        answer: Answer = yield request
        if answer.status < 300:
            return answer
        error = read_error(answer.status, answer.headers, answer.content)
        pause = error.retry_after
        if last or pause is None or pause > _LONGEST_PAUSE or not request.repeatable:
            raise error
        yield Pause(pause)
    raise AssertionError("the last try returns or raises")


def fetch(
    method: str,
    path: str,
    *,
    query: Mapping[str, Any] | None = None,
    body: Any = None,
    waits: float = 0.0,
    repeatable: bool = False,
) -> Talk[Any]:
    """The JSON value that the server answers, None for nothing; `body` is any JSON value. Raises TaskyardError."""
    content = None if body is None else dumps(body)
    request = Request(method, path, query or {}, content, None, waits, repeatable or method in _SAFE)
    answer = yield from ask(request)
    return read_json(answer)


def read_json(answer: Answer) -> Any:
    """The JSON value in an answer, None when it is empty. Raises NotTaskyard."""
    if not answer.content:
        return None
    try:
        return msgspec.json.decode(answer.content)
    except msgspec.DecodeError:
        raise NotTaskyard("the answer is not JSON; does TASKYARD_URL name a Taskyard server?") from None


def pages(path: str, query: Mapping[str, Any] | None = None, read: Callable[[Any], T] | None = None) -> Stream[T]:
    """Each item of a paged list, `read` into what it is; a page is fetched when its first item is wanted."""
    cursor = None
    while True:
        page = yield from fetch("GET", path, query={**(query or {}), "cursor": cursor})
        for item in page["items"]:
            yield Emit(item if read is None else read(item))
        cursor = page.get("nextCursor")
        if cursor is None:
            return


def step_on(talk: Generator[Any, Any, T], heard: Any) -> Any:
    """The talk's next step, after it has heard what came of the last one: a value, or an error raised in it.

    Raises StopIteration with the talk's result when there is no further step.
    """
    if isinstance(heard, Exception):
        return talk.throw(heard)
    return talk.send(heard)


def part(text: str) -> str:
    """An id or a key as one part of a path."""
    return quote(str(text), safe="")


def given(**values: Any) -> JsonObject:
    """The values that are not None, by their JSON names."""
    return {camel(name): value for name, value in values.items() if value is not None}


def camel(name: str) -> str:
    """`workflow_id` → `workflowId`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)

"""Webhooks: which events an endpoint wants, when it is tried again, and when it is given up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from taskyard.domain.event import NAMES, TaskEvent
from taskyard.domain.expression import check_expression, evaluate
from taskyard.domain.lifecycle import EventType
from taskyard.domain.policy import invalid
from taskyard.domain.rate import parse_rate

SCHEDULE = (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds waited before each try: at once, and after each failure longer."""

PING = "webhook.ping"
CALLBACK = "callback"
CALLBACK_KEYS = frozenset({"task.completed", "task.failed", "task.canceled"})
"""The ends of a task, which its `callbackUrl` is told."""

OVERLAP = 86_400.0
"""Seconds for which a secret that was replaced still signs, where nothing else is said."""

PROGRESS = NAMES[EventType.PROGRESS]
"""What is told only to those who name it, tried once, and not kept."""

_ALIASES = {"task-created": "task.created", "task-completed": "task.completed"}
_USER_TASK = "user-task-completed"
_KNOWN = frozenset(name for each in NAMES.values() for name in (each.key, each.type))
_THROTTLED = frozenset({502, 503, 504, 429})
_GONE = 410
_LONGEST_WAIT = 86_400.0

Text = Annotated[str, msgspec.Meta(max_length=2000)]
Pattern = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
Url = Annotated[str, msgspec.Meta(max_length=2048, pattern="^https?://")]


class ClientAuth(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """How we prove ourselves to the receiver, besides signing. `password`, `token`, `clientSecret`, `certificate` and
    `privateKey` (PEM) are written and never read.
    """

    type: Literal["none", "basic", "bearer", "oauth2", "mtls"] = "none"
    username: Annotated[str, msgspec.Meta(max_length=255, pattern="^[^:\\x00-\\x1f]*$")] | None = None
    password: Annotated[str, msgspec.Meta(max_length=1024)] | None = None
    token: Annotated[str, msgspec.Meta(max_length=8192, pattern="^[!-~]+$")] | None = None
    token_url: Url | None = None
    client_id: Annotated[str, msgspec.Meta(max_length=1024)] | None = None
    client_secret: Annotated[str, msgspec.Meta(max_length=1024)] | None = None
    scope: Annotated[str, msgspec.Meta(max_length=1024)] | None = None
    certificate: Annotated[str, msgspec.Meta(max_length=65_536)] | None = None
    private_key: Annotated[str, msgspec.Meta(max_length=65_536)] | None = None

    def shown(self) -> ClientAuth:
        """What may be read of it."""
        return msgspec.structs.replace(self, **dict.fromkeys(_HIDDEN))


_HIDDEN = ("password", "token", "client_secret", "certificate", "private_key")
_NEEDED = {
    "none": (),
    "basic": ("username", "password"),
    "bearer": ("token",),
    "oauth2": ("token_url", "client_id", "client_secret"),
    "mtls": ("certificate", "private_key"),
}


class Endpoint(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What a subscriber asks for. `filter` is an expression (JMESPath) over the envelope that must be true.

    `maxConcurrent`: deliveries under way at once; `rateLimit` such as `10/s`.
    """

    url: Url
    events: Annotated[list[Pattern], msgspec.Meta(min_length=1, max_length=100)]
    description: Text = ""
    client_auth: ClientAuth = ClientAuth()
    signature: Literal["standard", "both"] = "both"
    filter: Text | None = None
    enabled: bool = True
    max_concurrent: Annotated[int, msgspec.Meta(ge=1, le=64)] = 8
    rate_limit: str | None = None


class Health(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """How an endpoint has fared; times in microseconds since the epoch. `failing_since`: no success since then."""

    failing_since: int | None = None
    last_error: str | None = None
    disabled_at: int | None = None
    disabled_reason: str | None = None


class Status(IntEnum):
    """Where a delivery stands; the numbers are part of the schema."""

    PENDING = 1
    RETRYING = 2
    DELIVERED = 3
    DEAD = 4


class Heard(NamedTuple):
    """What came of one try: the answer's status, or why there was none; `retry_after` in seconds."""

    status: int | None = None
    error: str | None = None
    retry_after: float | None = None

    @property
    def taken(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def told(self) -> str | None:
        """What went wrong, in words; None when nothing did."""
        if self.taken:
            return None
        if self.status is None:
            return self.error
        if 300 <= self.status < 400:
            return f"answered {self.status}: redirects are not followed; subscribe the address itself"
        return f"answered {self.status}"


class Verdict(NamedTuple):
    """What follows for a delivery, and for its endpoint: until when it is left alone (microseconds), and whether it
    said that it is gone.
    """

    status: Status
    next_at: int | None = None
    hold_until: int | None = None
    gone: bool = False


def judge(tries: int, heard: Heard, now: int) -> Verdict:
    """What follows from the latest of so many tries."""
    if heard.taken:
        return Verdict(Status.DELIVERED)
    if heard.status == _GONE:
        return Verdict(Status.DEAD, gone=True)
    asked = heard.retry_after if heard.status in _THROTTLED else None
    wait = min(max(asked, 0.0), _LONGEST_WAIT) if asked is not None else None
    hold_until = None if not wait else now + int(wait * 1_000_000)
    if tries >= len(SCHEDULE):
        return Verdict(Status.DEAD, hold_until=hold_until)
    next_at = now + SCHEDULE[tries] * 1_000_000
    return Verdict(Status.RETRYING, max(next_at, hold_until or 0), hold_until)


def fare(health: Health, heard: Heard, verdict: Verdict, first_at: int, began: int) -> Health:
    """The endpoint's health after a try that began at `began`, of a delivery whose first try did at `first_at`.

    It is given up when it says that it is gone, and when it took nothing for as long as a delivery was tried.
    """
    if heard.taken:
        return Health() if health.disabled_at is None else health
    since = min(health.failing_since or began, began) // 1000 * 1000
    failing = msgspec.structs.replace(health, failing_since=since, last_error=heard.told)
    if health.disabled_at is not None:
        return failing
    if verdict.gone:
        reason = "it answered 410 Gone"
    elif verdict.status is Status.DEAD and since <= first_at:
        reason = f"it took nothing in all {len(SCHEDULE)} tries of a delivery; the last: {heard.told}"
    else:
        return failing
    return msgspec.structs.replace(failing, disabled_at=began, disabled_reason=reason)


def names_of(event: TaskEvent, triggers: Sequence[str]) -> list[str]:
    """Every name under which an event may be subscribed."""
    aliases = [alias for alias, key in _ALIASES.items() if key == event.key]
    if event.key == "task.completed" and event.data.get("taskType") == "MANUAL":
        aliases.append(_USER_TASK)
    return [event.key, event.type, *aliases, *triggers]


class Selection:
    """Tells which events an endpoint wants."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._exact = frozenset(each for each in endpoint.events if "*" not in each)
        self._starred = [each.split("*") for each in endpoint.events if "*" in each]
        self._filter = endpoint.filter

    def wants(self, names: Iterable[str], envelope: dict[str, Any]) -> bool:
        """Whether it wants the event with these names; a filter that cannot be told is taken for false."""
        if not any(name in self._exact or any(_fits(parts, name) for parts in self._starred) for name in names):
            return False
        return self._passes(envelope)

    @property
    def names_progress(self) -> bool:
        """Whether it names progress, which no pattern means."""
        return not self._exact.isdisjoint((PROGRESS.key, PROGRESS.type))

    def wants_progress(self, envelope: dict[str, Any]) -> bool:
        """Whether it wants to be told of this progress."""
        return self.names_progress and self._passes(envelope)

    def _passes(self, envelope: dict[str, Any]) -> bool:
        if self._filter is None:
            return True
        try:
            return bool(evaluate(self._filter, envelope))
        except ValueError:
            return False


def _fits(parts: Sequence[str], name: str) -> bool:
    """Whether the name is these parts with anything between them; in time that grows with its length only."""
    first, *middle, last = parts
    at, end = len(first), len(name) - len(last)
    if at > end or not name.startswith(first) or not name.endswith(last):
        return False
    for part in middle:
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def check_endpoint(endpoint: Endpoint, path: str = "") -> None:
    """Hold an endpoint to what its types cannot say. Raises ValidationFailed."""
    for index, name in enumerate(endpoint.events):
        if "*" not in name and name.startswith("task.") and name not in _KNOWN:
            raise invalid(f"{path}/events/{index}", f"{name!r} is no event; docs/reference/events.md has them", "enum")
    if endpoint.filter is not None:
        try:
            check_expression(endpoint.filter)
        except ValueError as error:
            raise invalid(f"{path}/filter", str(error), "expression") from None
    if endpoint.rate_limit is not None:
        try:
            parse_rate(endpoint.rate_limit)
        except ValueError as error:
            raise invalid(f"{path}/rateLimit", str(error), "rate") from None
    _check_auth(endpoint.client_auth, f"{path}/clientAuth")


def _check_auth(auth: ClientAuth, path: str) -> None:
    needed = _NEEDED[auth.type]
    for field in msgspec.structs.fields(ClientAuth):
        if field.name in ("type", "scope"):
            continue
        given = getattr(auth, field.name) is not None
        if field.name in needed and not given:
            raise invalid(f"{path}/{field.encode_name}", f"is needed for {auth.type}", "required")
        if given and field.name not in needed:
            raise invalid(f"{path}/{field.encode_name}", f"means nothing for {auth.type}", "not")

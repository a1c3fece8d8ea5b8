"""A talk says what to do and is told what came of it; no server is needed to hear it."""

from typing import Any

import msgspec
import pytest

from taskyard import errors
from taskyard.client.errors import NotTaskyard
from taskyard.client.talk import Answer, Emit, Pause, Request, camel, fetch, pages, part


def refusal(code: str, status: int, retry_after: str | None = None, **error: object) -> Answer:
    headers = {} if retry_after is None else {"retry-after": retry_after}
    return Answer(status, headers, msgspec.json.encode({"error": {"code": code, "message": "no", **error}}))


def success(value: object) -> Answer:
    return Answer(200, {}, msgspec.json.encode(value))


def end_of(talk: Any, heard: object) -> Any:
    with pytest.raises(StopIteration) as stop:
        talk.send(heard)
    return stop.value.value


@pytest.mark.parametrize(("code", "status"), [("OVERLOADED", 503), ("RATE_LIMITED", 429), ("MAINTENANCE", 503)])
def test_who_is_told_when_to_come_back_comes_back_then(code: str, status: int) -> None:
    talk = fetch("GET", "/somewhere")
    first = next(talk)
    assert talk.send(refusal(code, status, "2")) == Pause(2.0)
    assert next(talk) == first
    assert end_of(talk, success({"a": 1})) == {"a": 1}


def test_patience_has_an_end() -> None:
    talk = fetch("PUT", "/somewhere", body={})
    next(talk)
    for _ in range(3):
        assert talk.send(refusal("OVERLOADED", 503, "1")) == Pause(1.0)
        next(talk)
    with pytest.raises(errors.Overloaded) as caught:
        talk.send(refusal("OVERLOADED", 503, "1"))
    assert caught.value.retry_after == 1.0


@pytest.mark.parametrize("retry_after", [None, "3600", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_nobody_waits_without_a_word_or_for_very_long(retry_after: str | None) -> None:
    talk = fetch("GET", "/somewhere")
    next(talk)
    with pytest.raises(errors.Overloaded):
        talk.send(refusal("OVERLOADED", 503, retry_after))


def test_what_is_not_repeatable_is_not_repeated() -> None:
    talk = fetch("POST", "/somewhere", body={})
    next(talk)
    with pytest.raises(errors.RateLimited):
        talk.send(refusal("RATE_LIMITED", 429, "1"))


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.ValidationFailed, 422), (errors.Malformed, 400), (errors.Unauthorized, 401), (errors.Forbidden, 403),
        (errors.NotFound, 404), (errors.Conflict, 409), (errors.IllegalTransition, 409), (errors.StaleLease, 409),
        (errors.PayloadTooLarge, 413), (errors.TaskyardError, 500),
    ],
)  # fmt: skip
def test_an_error_comes_back_as_what_it_was(kind: type[errors.TaskyardError], status: int) -> None:
    talk = fetch("GET", "/somewhere")
    next(talk)
    with pytest.raises(errors.TaskyardError) as caught:
        talk.send(refusal(kind.code, status, details=[{"path": "/a"}]))
    assert type(caught.value) is kind
    assert (caught.value.message, caught.value.details) == ("no", [{"path": "/a"}])


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(502, {}, b"<html>bad gateway</html>"), errors.Overloaded),
        (Answer(404, {}, b""), errors.NotFound),
        (Answer(418, {}, b"{}"), NotTaskyard),
        (Answer(200, {}, b"<html>welcome</html>"), NotTaskyard),
    ],
)
def test_what_is_not_ours_is_told_apart(answer: Answer, kind: type[errors.TaskyardError]) -> None:
    talk = fetch("GET", "/somewhere")
    next(talk)
    with pytest.raises(kind, match="TASKYARD_URL"):
        talk.send(answer)


def test_a_page_is_fetched_when_it_is_wanted() -> None:
    talk = pages("/list", {"tag": "x"}, str)
    assert next(talk) == Request("GET", "/list", {"tag": "x", "cursor": None}, repeatable=True)
    assert talk.send(success({"items": [1, 2], "nextCursor": "c"})) == Emit("1")
    assert next(talk) == Emit("2")
    assert next(talk).query == {"tag": "x", "cursor": "c"}
    assert talk.send(success({"items": [], "nextCursor": "d"})).query == {"tag": "x", "cursor": "d"}
    assert talk.send(success({"items": [3], "nextCursor": None})) == Emit("3")
    assert end_of(talk, None) is None


def test_names_and_paths_are_written_as_the_interface_has_them() -> None:
    assert camel("idempotency_key") == "idempotencyKey"
    assert part("a/b?c d") == "a%2Fb%3Fc%20d"

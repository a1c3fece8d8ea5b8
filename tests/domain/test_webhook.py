"""Which events an endpoint wants, when it is tried again, and when it is given up."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.domain.webhook import (
    SCHEDULE,
    ClientAuth,
    Endpoint,
    Health,
    Heard,
    Selection,
    Status,
    check_endpoint,
    fare,
    judge,
)
from taskyard.errors import ValidationFailed

S = 1_000_000
DAY = 86_400 * S
NAMES = [
    "task.completed",
    "task.instance.completed",
    "task-completed",
    "taskDone",
    "workflow_Instance_7OwnedTaskBackupDone",
]


def endpoint(*events: str, **fields: Any) -> Endpoint:
    return Endpoint(url="https://a.example", events=list(events), **fields)


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("task.completed", True),
        ("task.instance.completed", True),
        ("task-completed", True),
        ("taskDone", True),
        ("workflow_Instance_7OwnedTaskBackupDone", True),
        ("*", True),
        ("task.*", True),
        ("*completed", True),
        ("task.*.completed", True),
        ("workflow_*OwnedTask*Done", True),
        ("task.complete", False),
        ("task.*.failed", False),
        ("*.completed.*", False),
        ("task.completed*task.completed", False),
        ("", False),
    ],
)
def test_patterns(pattern: str, wanted: bool) -> None:
    assert Selection(endpoint(pattern)).wants(NAMES, {}) is wanted


@given(st.lists(st.text("ab.", max_size=3), min_size=2, max_size=6), st.text("ab.", max_size=12))
def test_a_star_stands_for_anything(parts: list[str], text: str) -> None:
    pattern = "*".join(parts)
    assert Selection(endpoint(pattern)).wants([text.join(parts)], {})


def test_a_spiteful_pattern_takes_no_time() -> None:
    selection = Selection(endpoint(*["*a" * 250 + "*b"] * 100))
    begun = time.process_time()
    assert not selection.wants(["a" * 600], {})
    assert time.process_time() - begun < 10


def test_a_filter_decides_on_the_envelope() -> None:
    selection = Selection(endpoint("*", filter="data.taskDefinitionId == 'backup'"))
    assert selection.wants(["x"], {"data": {"taskDefinitionId": "backup"}})
    assert not selection.wants(["x"], {"data": {"taskDefinitionId": "other"}})
    assert not Selection(endpoint("*", filter="length(data)")).wants(["x"], {"data": 5})


def test_the_schedule_of_the_contract() -> None:
    assert SCHEDULE == (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
    now, waits = 0, []
    for tries in range(1, 10):
        verdict = judge(tries, Heard(500), now)
        assert verdict.status is Status.RETRYING
        assert verdict.next_at is not None
        waits.append((verdict.next_at - now) / S)
        now = verdict.next_at
    assert waits == list(SCHEDULE[1:])
    assert judge(10, Heard(500), now).status is Status.DEAD


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_success_is_one(status: int) -> None:
    assert judge(10, Heard(status), 0) == (Status.DELIVERED, None, None, False)


def test_gone_is_for_good() -> None:
    verdict = judge(1, Heard(410), 0)
    assert (verdict.status, verdict.gone) == (Status.DEAD, True)
    assert fare(Health(), Heard(410), verdict, 0, 5000).disabled_reason == "it answered 410 Gone"


@pytest.mark.parametrize(("asked", "waits"), [(3600.0, 3600), (1.0, 5), (-1.0, 5), (0.0, 5), (1e9, 86_400), (None, 5)])
@pytest.mark.parametrize("status", [429, 503, 502, 504])
def test_retry_after_is_honoured_within_reason(status: int, asked: float | None, waits: float) -> None:
    verdict = judge(1, Heard(status, None, asked), 0)
    assert verdict.next_at == waits * S
    assert (verdict.hold_until is None) == (asked is None or asked <= 0)


def test_retry_after_of_others_means_nothing() -> None:
    assert judge(1, Heard(500, None, 3600.0), 0).next_at == 5 * S


def test_an_endpoint_that_took_nothing_for_all_tries_is_given_up() -> None:
    health, first = Health(), 1000 * S
    at = first
    for tries in range(1, 10):
        verdict = judge(tries, Heard(500), at)
        health = fare(health, Heard(500), verdict, first, at)
        assert health.disabled_at is None
        assert health.failing_since == first
        assert verdict.next_at is not None
        at = verdict.next_at
    health = fare(health, Heard(error="no answer"), judge(10, Heard(error="no answer"), at), first, at)
    assert health.disabled_at == at
    assert health.disabled_reason == "it took nothing in all 10 tries of a delivery; the last: no answer"


def test_an_endpoint_that_took_something_meanwhile_is_kept() -> None:
    dead = judge(10, Heard(500), 3 * DAY)
    assert fare(Health(failing_since=DAY), Heard(500), dead, 0, 3 * DAY).disabled_at is None
    assert fare(Health(failing_since=DAY, last_error="x"), Heard(204), judge(1, Heard(204), 0), 0, 0) == Health()


def test_a_disabled_one_stays_so_whatever_still_arrives() -> None:
    disabled = Health(failing_since=5, disabled_at=9, disabled_reason="gone")
    assert fare(disabled, Heard(200), judge(1, Heard(200), 0), 0, 0) == disabled


@pytest.mark.parametrize(
    ("heard", "told"),
    [
        (Heard(204), None),
        (Heard(302), "answered 302: redirects are not followed; subscribe the address itself"),
        (Heard(500), "answered 500"),
        (Heard(error="no answer"), "no answer"),
    ],
)
def test_what_went_wrong_is_told(heard: Heard, told: str | None) -> None:
    assert heard.told == told


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"events": ["task.complete"]}, "/events/0"),
        ({"events": ["*"], "filter": "a ="}, "/filter"),
        ({"events": ["*"], "filter": "eval(a)"}, "/filter"),
        ({"events": ["*"], "rate_limit": "often"}, "/rateLimit"),
        ({"events": ["*"], "client_auth": ClientAuth("basic", username="a")}, "/clientAuth/password"),
        ({"events": ["*"], "client_auth": ClientAuth("none", token="a")}, "/clientAuth/token"),
        ({"events": ["*"], "client_auth": ClientAuth("oauth2", client_id="a")}, "/clientAuth/tokenUrl"),
    ],
)
def test_what_is_wrong_with_an_endpoint_is_told_with_its_place(fields: dict[str, Any], path: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        check_endpoint(Endpoint(url="https://a.example", **fields))
    assert caught.value.details[0]["path"] == path

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.domain.people.assignment import Person
from taskyard.domain.people.notice import Audience, audience, digest_words, one_line, words
from taskyard.domain.people.preferences import Digest, Preferences, Way, digest_at, digest_faults, next_digest, ways

GROUP = {"assigneeType": "GROUP", "assigneeId": "ops"}
USER = {"assigneeType": "USER", "assigneeId": "ann"}
CLAIMED = GROUP | {"claimedBy": "bob"}


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1_000_000)


@pytest.mark.parametrize(
    ("key", "data", "told"),
    [
        ("task.assigned", USER, Audience("assigned", "USER", "ann")),
        ("task.assigned", GROUP, Audience("offered", "GROUP", "ops")),
        ("task.delegated", USER, Audience("delegated", "USER", "ann")),
        ("task.resolved", CLAIMED, Audience("returned", "USER", "bob")),
        ("task.reminder", CLAIMED, Audience("reminder", "USER", "bob")),
        ("task.reminder", GROUP, Audience("reminder", "GROUP", "ops")),
        ("task.overdue", USER, Audience("overdue", "USER", "ann")),
        ("task.escalated", USER | {"action": "raisePriority"}, Audience("escalated", "USER", "ann")),
        ("task.escalated", USER | {"action": "notify"}, Audience("escalated", "USER", "ann")),
        (
            "task.escalated", USER | {"action": "notify", "to": {"type": "GROUP", "id": "leads"}},
            Audience("escalated", "GROUP", "leads"),
        ),
        ("task.escalated", USER | {"action": "notify", "to": {"type": "MAIL"}}, None),
        ("task.assigned", {"assigneeType": None, "assigneeId": None}, None),
        ("task.claimed", USER, None),
        ("task.completed", {}, None),
    ],
)  # fmt: skip
def test_who_is_told(key: str, data: dict[str, Any], told: Audience | None) -> None:
    assert audience(key, data) == told


@given(st.text())
def test_a_line_is_one_line_and_short(text: str) -> None:
    line = one_line(text)
    assert len(line) <= 200
    assert line == line.strip()
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in line)


@given(st.text(), st.text())
def test_words_are_safe_whatever_a_task_is_called(title: str, reason: str) -> None:
    told = words("reminder", {"title": title, "reason": reason}, "https://x.example/1")
    assert "\n" not in told.subject
    assert told.text.endswith("https://x.example/1\n")


def test_a_digest_lists_a_limited_number() -> None:
    told = digest_words([("assigned", {"title": f"Task {number}"}) for number in range(60)], "")
    assert told.subject == "60 notices about your tasks"
    assert "- and 10 more" in told.text
    assert "Task 59" not in told.text


ANN = Person("ann", email="ann@example.com")
ALL = {"service", "email", "slack", "webhook"}


def test_ways_follow_the_wish_as_far_as_they_lead_somewhere() -> None:
    assert ways(Preferences(), ANN, ALL) == [Way("service", "ann"), Way("email", "ann@example.com")]
    assert ways(Preferences(), ANN, {"slack"}) == []
    wish = Preferences(["slack", "email", "webhook", "slack"], email="a@b.example", slack="https://s.example")
    assert ways(wish, ANN, ALL) == [Way("slack", "https://s.example"), Way("email", "a@b.example")]
    assert ways(Preferences([]), ANN, ALL) == []


def test_what_is_urgent_waits_for_no_digest() -> None:
    wish = Preferences(digest=Digest(every=3600))
    assert digest_at(wish, "assigned", at("2026-03-01T10:30:00Z")) == at("2026-03-01T11:00:00Z")
    assert digest_at(wish, "overdue", 0) is None
    assert digest_at(Preferences(), "assigned", 0) is None


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ("2026-01-10T06:59:00+01:00", "2026-01-10T07:00:00+01:00"),
        ("2026-01-10T07:00:00+01:00", "2026-01-11T07:00:00+01:00"),
        ("2026-03-28T08:00:00+01:00", "2026-03-29T07:00:00+02:00"),
        ("2026-10-24T23:30:00+00:00", "2026-10-25T07:00:00+01:00"),
    ],
)
def test_a_daily_digest_keeps_the_time_of_its_place(now: str, then: str) -> None:
    assert next_digest(Digest(at="07:00", timezone="Europe/Berlin"), at(now)) == at(then)


@given(st.integers(0, 4_000_000_000_000_000), st.integers(60, 86_400))
def test_a_digest_is_always_ahead_and_never_far(now: int, every: int) -> None:
    then = next_digest(Digest(every=every), now)
    assert now < then <= now + every * 1_000_000
    daily = next_digest(Digest(at="23:59", timezone="America/New_York"), now)
    assert now < daily <= now + 26 * 3600 * 1_000_000


def test_a_digest_says_when_and_where() -> None:
    assert digest_faults(None) == digest_faults(Digest(every=60)) == digest_faults(Digest(at="07:00")) == []
    assert [path for path, _ in digest_faults(Digest())] == ["/digest"]
    assert [path for path, _ in digest_faults(Digest(every=60, at="07:00", timezone="Mars/Base"))] == [
        "/digest", "/digest/timezone",
    ]  # fmt: skip

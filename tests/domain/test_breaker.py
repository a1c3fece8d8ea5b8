from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taskyard.domain.breaker import BROKER, CONNECTION, Breaker, BreakerRules, BreakerState

SECOND = 1_000_000


def called(breaker: Breaker, rules: BreakerRules, now: int, *failed: bool) -> Breaker:
    for each in failed:
        breaker, permit = breaker.ask(rules, now)
        assert permit is not None
        breaker = breaker.tell(rules, now, permit, failed=each)
    return breaker


def opened(rules: BreakerRules = CONNECTION, now: int = 0) -> Breaker:
    breaker = called(Breaker(), rules, now, *[True] * rules.least)
    assert breaker.state(rules, now) is BreakerState.OPEN
    return breaker


def test_it_opens_at_three_failures_in_ten_calls() -> None:
    nine = called(Breaker(), CONNECTION, 0, *[False] * 7, True, True)
    assert nine.state(CONNECTION, 0) is BreakerState.CLOSED
    assert called(nine, CONNECTION, 0, True).state(CONNECTION, 0) is BreakerState.OPEN
    assert called(nine, CONNECTION, 0, False).state(CONNECTION, 0) is BreakerState.CLOSED


def test_fewer_than_ten_calls_open_nothing() -> None:
    assert called(Breaker(), CONNECTION, 0, *[True] * 9).state(CONNECTION, 0) is BreakerState.CLOSED


def test_a_brokers_opens_at_half() -> None:
    four = called(Breaker(), BROKER, 0, *[False] * 5, *[True] * 4)
    assert called(four, BROKER, 0, False).state(BROKER, 0) is BreakerState.CLOSED
    assert called(four, BROKER, 0, True).state(BROKER, 0) is BreakerState.OPEN


def test_calls_older_than_the_window_do_not_count() -> None:
    old = called(Breaker(), CONNECTION, 0, *[True] * 9)
    assert old.failure_rate(CONNECTION, 59 * SECOND) == 1.0
    assert old.failure_rate(CONNECTION, 60 * SECOND) == 0.0
    assert called(old, CONNECTION, 60 * SECOND, True).state(CONNECTION, 60 * SECOND) is BreakerState.CLOSED


def test_open_it_lets_nobody_through_for_30_seconds_and_then_one() -> None:
    breaker = opened()
    assert breaker.ask(CONNECTION, 30 * SECOND - 1)[1] is None
    assert breaker.opens_in(CONNECTION, 10 * SECOND) == 20 * SECOND
    assert breaker.state(CONNECTION, 30 * SECOND) is BreakerState.HALF_OPEN
    breaker, probe = breaker.ask(CONNECTION, 30 * SECOND)
    assert probe is not None
    assert breaker.ask(CONNECTION, 30 * SECOND)[1] is None


def test_the_probe_decides() -> None:
    now = 30 * SECOND
    asked, probe = opened().ask(CONNECTION, now)
    assert probe is not None
    closed = asked.tell(CONNECTION, now, probe, failed=False)
    assert closed.state(CONNECTION, now) is BreakerState.CLOSED
    assert closed.failure_rate(CONNECTION, now) == 0.0
    again = asked.tell(CONNECTION, now, probe, failed=True)
    assert again.opens_in(CONNECTION, now) == 30 * SECOND
    forgotten = asked.forget(probe)
    assert forgotten.ask(CONNECTION, now)[1] is not None


def test_several_probes_must_all_succeed() -> None:
    rules, now = CONNECTION._replace(probes=2), 30 * SECOND
    breaker, first = opened(rules).ask(rules, now)
    assert first is not None
    breaker = breaker.tell(rules, now, first, failed=False)
    assert breaker.state(rules, now) is BreakerState.HALF_OPEN
    breaker, second = breaker.ask(rules, now)
    assert second is not None
    assert breaker.ask(rules, now)[1] is None
    assert breaker.tell(rules, now, second, failed=False).state(rules, now) is BreakerState.CLOSED


def test_what_began_before_it_opened_tells_nothing_afterwards() -> None:
    early, permit = Breaker().ask(CONNECTION, 0)
    assert permit is not None
    breaker = called(early, CONNECTION, 0, *[True] * 10)
    assert breaker.tell(CONNECTION, 40 * SECOND, permit, failed=False) == breaker
    assert breaker.forget(permit) == breaker


Step = st.tuples(st.sampled_from(["ask", "ok", "fail", "forget"]), st.integers(-2 * SECOND, 20 * SECOND))


@given(st.lists(Step, max_size=200), st.integers(1, 3))
def test_whatever_happens_it_lets_somebody_through_again(steps: list[tuple[str, int]], probes: int) -> None:
    """Probes under way never exceed what is allowed, and once none is under way a probe is let through in time."""
    rules, breaker, now, held = CONNECTION._replace(probes=probes), Breaker(), 100 * SECOND, []
    for step, passed in steps:
        now += passed
        if step == "ask":
            breaker, permit = breaker.ask(rules, now)
            held += [permit] if permit else []
        elif held and step == "forget":
            breaker = breaker.forget(held.pop())
        elif held:
            breaker = breaker.tell(rules, now, held.pop(), failed=step == "fail")
        assert 0 <= breaker.probing + breaker.passed <= probes
        assert len(breaker.slices) <= 10
    for permit in held:
        breaker = breaker.forget(permit)
    assert breaker.ask(rules, now + 50 * SECOND)[1] is not None

# ruff: noqa: D102, S101 - the tests' names are the promises
"""What goes in, what comes out, and what is heard meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from taskyard.contracts.target import Target
from taskyard.domain.outcome import Done
from taskyard.testing.conformance.target.place import Heard, Place, call_of

VALUES: list[Any] = [
    {"a": 1, "b": [True, None, 1.5], "c": {"d": "grüße \U0001f600", "e": "$(id); '\"`\\ \n"}},
    {},
    {"nested": [[[[]]], {"": ""}]},
    {"large": 9_007_199_254_740_991, "small": -1e-7},
]


class TestRunning:
    """`run`, where all goes well."""

    pytestmark = pytest.mark.asyncio

    @pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
    async def test_what_goes_in_comes_out(self, place: Place, target: Target, value: Any) -> None:
        assert await target.run(call_of(place.program("echo"), value), Heard()) == Done(value)

    async def test_it_is_said_where_it_runs(self, place: Place, target: Target) -> None:
        heard = Heard()
        await target.run(call_of(place.program("echo"), {}), heard)
        assert len(heard.tiers) == 1
        assert heard.tiers[0]

    async def test_many_run_at_once_and_none_is_taken_for_another(self, place: Place, target: Target) -> None:
        calls = [call_of(place.program("echo"), {"number": number}) for number in range(4)]
        reports = await asyncio.gather(*[target.run(call, Heard()) for call in calls])
        assert reports == [Done({"number": number}) for number in range(4)]

    async def test_lines_and_progress_are_heard(self, place: Place, target: Target) -> None:
        if "speak" not in place.can:
            return
        heard = Heard()
        assert await target.run(call_of(place.program("speak"), {}), heard) == Done("said")
        assert ("warning", "hello") in heard.lines
        assert heard.advances == [(1, 2, "half")]

    async def test_the_place_is_told_the_token_so_that_it_may_know_a_repetition(
        self, place: Place, target: Target
    ) -> None:
        if "token" not in place.can:
            return
        call = call_of(place.program("token"), {})
        for attempt in (1, 2):
            assert await target.run(call._replace(attempt=attempt), Heard()) == Done(call.token)


class TestStandings:
    """`standings`."""

    pytestmark = pytest.mark.asyncio

    async def test_each_kind_is_told_with_a_tier_or_with_what_is_missing(self, place: Place, target: Target) -> None:
        del place
        standings = await target.standings()
        assert {standing.kind for standing in standings} == target.kinds
        assert all(standing.tier or (standing.missing and standing.mend) for standing in standings)

    async def test_it_has_a_name(self, target: Target) -> None:
        assert target.name
        assert target.kinds

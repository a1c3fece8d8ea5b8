# ruff: noqa: D102, S101 - the tests' names are the promises
"""How a call ends that does not go well."""

from __future__ import annotations

import asyncio
import time

import pytest

from taskyard.contracts.target import Target
from taskyard.domain.outcome import Done, Failed
from taskyard.testing.conformance.target.place import Heard, Place, call_of

_STARTED_WITHIN = 30.0
_LET_GO_WITHIN = 40.0


async def _until_running(place: Place, count: int, within: float) -> None:
    """Wait until so many programs run there."""
    deadline = time.monotonic() + within
    while await place.running() != count:
        assert time.monotonic() < deadline, f"{await place.running()} run, not {count}"
        await asyncio.sleep(0.02)


class TestEnding:
    """`run`, where it does not go well."""

    pytestmark = pytest.mark.asyncio

    async def test_the_programs_own_error_is_told(self, place: Place, target: Target) -> None:
        report = await target.run(call_of(place.program("fail"), {}), Heard())
        assert isinstance(report, Failed)
        assert report.error.code == "EXECUTION_ERROR"
        assert "it broke" in report.error.message

    async def test_a_result_that_is_too_large_is_a_limit_that_was_reached(self, place: Place, target: Target) -> None:
        report = await target.run(call_of(place.program("large"), {}), Heard())
        assert isinstance(report, Failed)
        assert (report.error.code, report.error.details["limit"]) == ("RESOURCE_LIMIT", "output")

    async def test_a_result_that_is_no_json_is_no_result(self, place: Place, target: Target) -> None:
        report = await target.run(call_of(place.program("garbage"), {}), Heard())
        assert isinstance(report, Failed)
        assert report.error.code in ("OUTPUT_VALIDATION_ERROR", "EXECUTION_ERROR", "SANDBOX_ERROR")

    async def test_cancelled_it_lets_go(self, place: Place, target: Target) -> None:
        running = asyncio.create_task(target.run(call_of(place.program("wait"), {}), Heard()))
        await _until_running(place, 1, _STARTED_WITHIN)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(running, _LET_GO_WITHIN)
        if "cancel" in place.can:
            await _until_running(place, 0, _LET_GO_WITHIN)

    async def test_it_goes_on_after_whatever_happened(self, place: Place, target: Target) -> None:
        for name in ("fail", "garbage", "large"):
            await target.run(call_of(place.program(name), {}), Heard())
        assert await target.run(call_of(place.program("echo"), {"a": 1}), Heard()) == Done({"a": 1})

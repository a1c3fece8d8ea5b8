from __future__ import annotations

import pytest

from taskyard.calls.again import SERVICE_CALLS, call_again
from taskyard.errors import CallFailed, CircuitOpen, EgressRefused, RateLimited


class Calls:
    """A service that fails as told, one error a call, and then answers; and pauses that pass at once."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.made = 0
        self.pauses: list[float] = []

    async def call(self) -> str:
        self.made += 1
        if self.failures:
            raise self.failures.pop(0)
        return "done"

    async def wait(self, seconds: float) -> None:
        self.pauses.append(seconds)


def away() -> CallFailed:
    return CallFailed("away", reason="connect")


async def test_five_retries_from_200_ms_doubling() -> None:
    calls = Calls(*[away() for _ in range(5)])
    assert await call_again(calls.call, wait=calls.wait) == "done"
    assert calls.made == 6
    for expected, pause in zip([0.2, 0.4, 0.8, 1.6, 3.2], calls.pauses, strict=True):
        assert pause == pytest.approx(expected, rel=SERVICE_CALLS.jitter)


async def test_the_last_failure_is_raised() -> None:
    calls = Calls(*[CallFailed(str(number), reason="connect") for number in range(9)])
    with pytest.raises(CallFailed, match="5"):
        await call_again(calls.call, wait=calls.wait)
    assert (calls.made, len(calls.pauses)) == (6, 5)


@pytest.mark.parametrize(
    "error",
    [
        EgressRefused("no"),
        CircuitOpen("open", circuit="x", retry_after=9),
        CallFailed("no", reason="x", retryable=False),
    ],
)
async def test_what_will_not_get_better_is_not_tried_again(error: Exception) -> None:
    calls = Calls(error)
    with pytest.raises(type(error)):
        await call_again(calls.call, wait=calls.wait)
    assert calls.made == 1


async def test_what_the_other_side_asks_for_is_heeded_up_to_a_minute() -> None:
    calls = Calls(RateLimited("slow down", retry_after=7.0), RateLimited("slower", retry_after=3600.0))
    assert await call_again(calls.call, wait=calls.wait, is_failure=lambda _: True) == "done"
    assert calls.pauses == [7.0, 60.0]

"""When to try again: exponential back-off with a ceiling and jitter."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta


class RetryPolicy(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """How failed attempts are repeated. Durations in seconds; `maxRetries` counts after the first attempt."""

    max_retries: Annotated[int, Meta(ge=0)] = 5
    initial_delay: Annotated[float, Meta(ge=0)] = 1.0
    multiplier: Annotated[float, Meta(ge=0)] = 2.0
    max_delay: Annotated[float, Meta(ge=0)] = 300.0
    jitter: Annotated[float, Meta(ge=0, le=1)] = 0.2
    non_retryable: tuple[str, ...] = ()

    def delay(self, retry: int, chance: float) -> float:
        """Seconds before the `retry`-th retry (from 1); `chance` in [0, 1) places it within the jitter."""
        exponent = min(retry - 1, 64)
        base = min(self.initial_delay * self.multiplier**exponent, self.max_delay)
        return max(0.0, base * (1 + self.jitter * (2 * chance - 1)))


RetryPatch = Annotated[dict[str, Any], Meta(extra_json_schema=msgspec.json.schema(RetryPolicy)["$defs"]["RetryPolicy"])]
"""Some fields of a policy; those that are missing are the next one's to say."""

NEVER_RETRIED = frozenset({"VALIDATION_ERROR", "OUTPUT_VALIDATION_ERROR", "SANDBOX_UNAVAILABLE", "CANCELED"})

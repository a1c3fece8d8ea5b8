"""When to try again: exponential back-off with a ceiling and jitter."""

from __future__ import annotations

import msgspec


class RetryPolicy(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """How failed attempts are repeated. Durations in seconds; `maxRetries` counts after the first attempt."""

    max_retries: int = 5
    initial_delay: float = 1.0
    multiplier: float = 2.0
    max_delay: float = 300.0
    jitter: float = 0.2
    non_retryable: tuple[str, ...] = ()

    def delay(self, retry: int, chance: float) -> float:
        """Seconds before the `retry`-th retry (from 1); `chance` in [0, 1) places it within the jitter."""
        exponent = min(retry - 1, 64)
        base = min(self.initial_delay * self.multiplier**exponent, self.max_delay)
        return max(0.0, base * (1 + self.jitter * (2 * chance - 1)))


NEVER_RETRIED = frozenset({"VALIDATION_ERROR", "OUTPUT_VALIDATION_ERROR", "SANDBOX_UNAVAILABLE", "CANCELED"})

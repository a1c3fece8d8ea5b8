"""The breakers of this process: one for each thing that is called."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import structlog

from taskyard.contracts.clock import Clock
from taskyard.domain.breaker import CONNECTION, Breaker, BreakerRules, BreakerState
from taskyard.errors import CallFailed, CircuitOpen, TaskyardError

log = structlog.get_logger("taskyard.calls")

IsFailure = Callable[[Exception], bool]


def is_outage(error: Exception) -> bool:
    """Whether the error says that the other side is not well; what it merely refuses does not."""
    if isinstance(error, CallFailed):
        return error.retryable
    return not isinstance(error, TaskyardError)


class Circuit:
    """One breaker at work."""

    def __init__(self, name: str, rules: BreakerRules, clock: Clock) -> None:
        self.name = name
        self.rules = rules
        self._clock = clock
        self._breaker = Breaker()
        self.refused = 0
        """How much of what was told was refused by who is well, and is told no more."""

    @property
    def state(self) -> BreakerState:
        """How it stands."""
        return self._breaker.state(self.rules, self._clock.now())

    def figures(self) -> dict[str, Any]:
        """`state`, `failureRate` from 0 to 1, and `opensIn`: seconds until the next try, 0 when it may be made now; and
        `refused`, where something was.
        """
        figures = self._breaker.figures(self.rules, self._clock.now())
        return {**figures, **({"refused": self.refused} if self.refused else {})}

    @contextlib.contextmanager
    def call(self, is_failure: IsFailure = is_outage) -> Iterator[None]:
        """Make one call within. Raises CircuitOpen, with `retry_after`, when it should not be made now.

        An exception counts as failure where `is_failure` says so; being cancelled counts as nothing.
        """
        self._breaker, permit = self._breaker.ask(self.rules, self._clock.now())
        if permit is None:
            wait = self._breaker.opens_in(self.rules, self._clock.now()) / 1e6
            raise CircuitOpen(
                f"calls to {self.name} fail too often and are not made for a while",
                circuit=self.name,
                retry_after=max(wait, 1.0),
            )
        before = self._breaker.opened_at
        try:
            yield
        except asyncio.CancelledError:
            self._breaker = self._breaker.forget(permit)
            raise
        except Exception as error:
            self._breaker = self._breaker.tell(self.rules, self._clock.now(), permit, failed=is_failure(error))
            raise
        except BaseException:
            self._breaker = self._breaker.forget(permit)
            raise
        else:
            self._breaker = self._breaker.tell(self.rules, self._clock.now(), permit, failed=False)
        finally:
            self._say(before)

    def _say(self, before: int | None) -> None:
        after = self._breaker.opened_at
        if after is not None and after != before:
            log.warning("a circuit opened", circuit=self.name, seconds=self.rules.open_us / 1e6)
        elif after is None and before is not None:
            log.info("a circuit closed", circuit=self.name)


class Breakers:
    """All circuits of a process, by name, such as `connection:42` or `service:user`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._circuits: dict[str, Circuit] = {}

    def circuit(self, name: str, rules: BreakerRules = CONNECTION) -> Circuit:
        """The circuit of this name, made when first asked for."""
        known = self._circuits.get(name)
        if known is None:
            known = self._circuits[name] = Circuit(name, rules, self._clock)
        return known

    def remove(self, name: str) -> None:
        """What it stood for is gone."""
        self._circuits.pop(name, None)

    def figures(self) -> dict[str, dict[str, Any]]:
        """Every circuit's figures by name; for metrics and readiness. May be called from any thread."""
        return {name: circuit.figures() for name, circuit in tuple(self._circuits.items())}

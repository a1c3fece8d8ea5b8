"""The circuit breaker: when calls to something that fails are not made for a while. Times are microseconds.

Closed, it counts the calls of a sliding window; open, it lets nobody through; half-open, it lets a few through, and
what becomes of these decides.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

_SLICES: Final = 10


class BreakerState(StrEnum):
    """How a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class BreakerRules(NamedTuple):
    """Opens for `open_us` when of at least `least` calls within `window_us` the share `rate` has failed.

    `probes`: how many calls go through half-open at once, and have to succeed before it closes.
    """

    rate: float = 0.3
    least: int = 10
    window_us: int = 60_000_000
    open_us: int = 30_000_000
    probes: int = 1


CONNECTION: Final = BreakerRules()
SERVICE: Final = BreakerRules()
BROKER: Final = BreakerRules(rate=0.5)


class Slice(NamedTuple):
    """The calls of a tenth of the window."""

    number: int
    calls: int
    failures: int


class Permit(NamedTuple):
    """Leave to make one call; `era` tells which opening or closing of the breaker it was given in."""

    era: int
    probe: bool


class Breaker(NamedTuple):
    """One breaker's state; every verb gives its next. `era` grows whenever it opens or closes."""

    slices: tuple[Slice, ...] = ()
    opened_at: int | None = None
    probing: int = 0
    passed: int = 0
    era: int = 0

    def state(self, rules: BreakerRules, now: int) -> BreakerState:
        """How it stands now."""
        if self.opened_at is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self.opens_in(rules, now) else BreakerState.HALF_OPEN

    def failure_rate(self, rules: BreakerRules, now: int) -> float:
        """The share of the window's calls that failed, as it was counted while closed."""
        calls, failures = self._counts(rules, now)
        return failures / calls if calls else 0.0

    def opens_in(self, rules: BreakerRules, now: int) -> int:
        """Microseconds until it may let somebody through; 0 when it may now."""
        if self.opened_at is None or now < self.opened_at:  # a clock that was set back keeps nothing open
            return 0
        return max(0, self.opened_at + rules.open_us - now)

    def ask(self, rules: BreakerRules, now: int) -> tuple[Breaker, Permit | None]:
        """Ask for leave to make a call; None: it is not given. Whoever gets one must `tell` or `forget` it."""
        state = self.state(rules, now)
        if state is BreakerState.CLOSED:
            return self, Permit(self.era, probe=False)
        if state is BreakerState.OPEN or self.probing + self.passed >= rules.probes:
            return self, None
        return self._replace(probing=self.probing + 1), Permit(self.era, probe=True)

    def tell(self, rules: BreakerRules, now: int, permit: Permit, *, failed: bool) -> Breaker:
        """What became of a call. One from an earlier era tells nothing about now."""
        if permit.era != self.era:
            return self
        if permit.probe:
            return self._probed(rules, now, failed=failed)
        return self.noted(rules, now, failed=failed)._judged(rules, now)

    def figures(self, rules: BreakerRules, now: int) -> dict[str, str | float]:
        """`state`, `failureRate` from 0 to 1, and `opensIn`: seconds until the next try, 0 when it may be made now."""
        return {
            "state": str(self.state(rules, now)),
            "failureRate": round(self.failure_rate(rules, now), 4),
            "opensIn": round(self.opens_in(rules, now) / 1e6, 3),
        }

    def noted(self, rules: BreakerRules, now: int, *, failed: bool) -> Breaker:
        """A call more, without a judgement: that is the one's who knows the calls of all."""
        return self._replace(slices=self._counted(rules, now, failed=failed))

    def joined(self, rules: BreakerRules, now: int, other: Breaker) -> Breaker:
        """With the calls that were `noted` elsewhere in the same era; it opens where they are too many together."""
        if self.opened_at is not None or other.era != self.era or not other.slices:
            return self
        counts = {slice_.number: slice_ for slice_ in self._recent(_number(rules, now))}
        for number, calls, failures in other.slices:
            before = counts.get(number, Slice(number, 0, 0))
            counts[number] = Slice(number, before.calls + calls, before.failures + failures)
        return self._replace(slices=tuple(counts[number] for number in sorted(counts)))._judged(rules, now)

    def reserved(self, rules: BreakerRules, now: int) -> Breaker | None:
        """For one probe among many machines: to the others it is open again until the probe has told; None where it
        is not half-open. Of a probe that never tells nothing remains.
        """
        return self._replace(opened_at=now) if self.state(rules, now) is BreakerState.HALF_OPEN else None

    def probed(self, era: int, now: int, *, failed: bool) -> Breaker:
        """What became of the probe that was reserved in this era."""
        if era != self.era or self.opened_at is None:
            return self
        return Breaker(self.slices, now, era=era + 1) if failed else Breaker(era=era + 1)

    def given_back(self, rules: BreakerRules, era: int, now: int) -> Breaker:
        """The probe that was reserved in this era was not made: another may be."""
        return self if era != self.era or self.opened_at is None else self._replace(opened_at=now - rules.open_us)

    def forget(self, permit: Permit) -> Breaker:
        """A call that came to no end, such as one that was cancelled."""
        if permit.era != self.era or not permit.probe:
            return self
        return self._replace(probing=self.probing - 1)

    def _judged(self, rules: BreakerRules, now: int) -> Breaker:
        calls, failures = self._counts(rules, now)
        if calls >= rules.least and failures / calls >= rules.rate:
            return Breaker(self.slices, now, era=self.era + 1)
        return self

    def _probed(self, rules: BreakerRules, now: int, *, failed: bool) -> Breaker:
        if failed:
            return Breaker(self.slices, now, era=self.era + 1)
        if self.passed + 1 >= rules.probes:
            return Breaker(era=self.era + 1)
        return self._replace(probing=self.probing - 1, passed=self.passed + 1)

    def _counted(self, rules: BreakerRules, now: int, *, failed: bool) -> tuple[Slice, ...]:
        number = _number(rules, now)
        kept = self._recent(number)
        if not kept or kept[-1].number < number:
            return (*kept, Slice(number, 1, int(failed)))
        return (*kept[:-1], Slice(number, kept[-1].calls + 1, kept[-1].failures + failed))

    def _counts(self, rules: BreakerRules, now: int) -> tuple[int, int]:
        recent = self._recent(_number(rules, now))
        return sum(slice_.calls for slice_ in recent), sum(slice_.failures for slice_ in recent)

    def _recent(self, number: int) -> tuple[Slice, ...]:
        return tuple(slice_ for slice_ in self.slices if number - _SLICES < slice_.number <= number)


def _number(rules: BreakerRules, now: int) -> int:
    return now // max(1, rules.window_us // _SLICES)

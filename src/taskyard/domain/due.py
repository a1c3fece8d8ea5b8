"""What is due of a schedule: which ticks start a task now, which one waits, and when to look again. Pure decisions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, takewhile
from typing import Any, NamedTuple

import msgspec

from taskyard.domain.schedule import Schedule, firings, reach_us, ticks

AT_ONCE = 100
"""The most ticks of one schedule that start in one go."""

_WALKED = 32


class Progress(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """How far a schedule has come; times in microseconds.

    `decided`: every tick up to this moment has been decided on, and none after it. `buffered`: the tick that waits
    for its predecessor's task to end. `running`: the tasks that were started and are not known to have ended, kept
    where they matter to `overlap`. `error`: `{at, code, message}` of the latest tick, where it started nothing.
    `askers`: who has put the schedule, the latest first.
    """

    decided: int
    buffered: int | None = None
    running: tuple[int, ...] = ()
    last_at: int | None = None
    last_task: int | None = None
    error: dict[str, Any] | None = None
    askers: tuple[str, ...] = ()


class Due(NamedTuple):
    """The decision: ticks that start a task, oldest first, and what `Progress` has to remember of the others.

    `missed`: the first tick that came too late to count, if any did.
    """

    starts: tuple[int, ...]
    buffered: int | None
    decided: int
    missed: int | None


def due(schedule: Schedule, progress: Progress, now: int, *, busy: bool) -> Due:
    """Decide on the ticks that have fired by `now`; `busy` while a task of the schedule has not ended.

    What fired longer ago than the catch-up window is missed. The others are taken one after the other: each starts
    a task or, where it overlaps with one, is skipped or buffered; at most one tick is buffered.
    """
    starts: list[int] = []
    buffered = progress.buffered
    if buffered is not None and not busy:
        starts, buffered, busy = [buffered], None, True
    begin = _last_fired(schedule, progress.decided, now - schedule.lateness_us - 1)
    missed = None if begin == progress.decided else next(ticks(schedule, progress.decided))
    if schedule.overlap == "allow":
        taken = list(islice(_fired(schedule, begin, now), AT_ONCE))
        decided = taken[-1] if len(taken) == AT_ONCE else _last_fired(schedule, begin, now)
        return Due((*starts, *taken), buffered, decided, missed)
    may_wait = schedule.overlap == "bufferOne" and buffered is None
    taken = list(islice(_fired(schedule, begin, now), int(not busy) + int(may_wait)))
    if taken and not busy:
        starts.append(taken.pop(0))
    if taken:
        buffered = taken.pop()
    return Due(tuple(starts), buffered, _last_fired(schedule, begin, now), missed)


def next_look(schedule: Schedule, progress: Progress) -> int | None:
    """The moment from which there is something to decide; None where there will be nothing."""
    if schedule.paused:
        return None
    if progress.buffered is not None:
        return progress.buffered
    return next((at for _, at in firings(schedule, progress.decided)), None)


def next_runs(schedule: Schedule, progress: Progress, now: int, count: int) -> list[int]:
    """The next moments, later than `now`, at which the schedule fires; none while it is paused."""
    if schedule.paused:
        return []
    after = max(progress.decided, now - reach_us(schedule))
    return list(islice((at for _, at in firings(schedule, after) if at > now), count))


def _fired(schedule: Schedule, after: int, by: int) -> Iterator[int]:
    """The ticks later than `after` that have fired by then."""
    return (tick for tick, _ in takewhile(lambda firing: firing[1] <= by, firings(schedule, after)))


def _last_fired(schedule: Schedule, after: int, by: int) -> int:
    """A moment up to which every tick, and after which none, has fired by then; `after` where none has since."""
    last = after
    while walked := list(islice(_fired(schedule, last, by), _WALKED)):
        last = walked[-1]
        if len(walked) == _WALKED:  # there are very many: leap to where all that is earlier has fired
            last = max(last, by - reach_us(schedule))
    return last

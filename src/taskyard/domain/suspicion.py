"""Suspicion: how far a task that has lost a worker is kept apart from others when it runs again.

Of a process that crashed, one of the tasks that ran is the cause, so each runs alone. A process that was killed or
fell silent has mostly done so for no fault of theirs: after one such loss they run beside their like, so that all
are soon at work again, and alone after the next.
"""

from __future__ import annotations

NONE, BESIDE_ITS_LIKE, ALONE = range(3)
"""The least that is held against a task for it to run so; who has more waits for who has less."""


def suspicion(losses: int, before: int = NONE, *, crashed: bool = False) -> int:
    """How suspect a task is: 0 of nothing, 1 enough to be kept from others, more to be kept from everybody.

    `losses`: how many workers it has lost; `before`: what it was held for when it was claimed; `crashed`: whether the
    last worker crashed.
    """
    return max(losses + crashed, before) if losses else NONE

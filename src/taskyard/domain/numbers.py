"""Numbers about many values."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(values: Sequence[int], q: int) -> int | None:
    """The q-th percentile by nearest rank; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * q / 100) - 1)]

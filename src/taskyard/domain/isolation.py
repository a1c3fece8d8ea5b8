"""How strictly code that is not ours is kept: the tiers of a sandbox, and the levels that definitions ask for."""

from __future__ import annotations

from collections.abc import Sequence

BUBBLEWRAP, LANDLOCK, EMULATED = "bubblewrap", "landlock", "emulated"
TIERS = (BUBBLEWRAP, LANDLOCK)
"""The tiers that confine real processes, strongest first."""

LEVELS = ("LOW", "MEDIUM", "HIGH")
LEVEL_OF = {BUBBLEWRAP: "HIGH", LANDLOCK: "MEDIUM", EMULATED: "LOW", "kubernetes": "MEDIUM", "lambda": "LOW"}
"""How much isolation each tier gives, and the places elsewhere that scripts can be sent to."""


def strictest(levels: Sequence[str]) -> str:
    """The highest of these levels; what is no level counts as the highest."""
    return max(levels, key=_rank, default=LEVELS[0])


def is_enough(tier: str, level: str) -> bool:
    """Whether the tier gives the level."""
    return _rank(LEVEL_OF[tier]) >= _rank(level)


def _rank(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else len(LEVELS)

"""The categories that definitions are known by; any other may be named freely."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

CATEGORIES: Final[Mapping[str, str]] = MappingProxyType(
    {"maintenance": "Maintenance", "data": "Data", "admin": "Admin", "report": "Report"}
)
"""What people are shown for each."""


def category_label(category: str) -> str:
    """What people are shown for a category; one that is not known is shown as its author wrote it."""
    return CATEGORIES.get(category, category)

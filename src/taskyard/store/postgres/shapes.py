"""How values travel: rows turned into columns, documents into bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

encode = msgspec.json.Encoder().encode
decode = msgspec.json.decode


def columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[Sequence[Any]]:
    """The rows turned: `width` columns, also where there is no row."""
    return list(zip(*rows, strict=True)) if rows else [()] * width

"""References within a JSON Schema (`#/$defs/name`): pointers of RFC 6901, written as fragments."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote


def referred(root: Any, reference: str) -> Any:
    """What a local reference points at, or None."""
    start, *steps = unquote(reference).split("/")
    node: Any = root if start == "#" else None
    for step in steps:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(node, list) and name.isdecimal() and int(name) < len(node):
            node = node[int(name)]
        else:
            node = node.get(name) if isinstance(node, dict) else None
    return node

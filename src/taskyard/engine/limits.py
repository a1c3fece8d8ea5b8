"""Limits: under which a task falls.

`maxConcurrent` holds for a definition, or, where its tasks have concurrency keys, for each value of the key; then it
is 1 unless the definition says otherwise. A fairness key brings no limit, but a line that is shared out fairly.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from taskyard.contracts.records import SlotKey
from taskyard.domain.definition import Definition
from taskyard.domain.expression import evaluate
from taskyard.domain.json import canonical, digest

_CONCURRENT_PER_KEY = 1
_LONGEST_KEY = 256


class Subject(NamedTuple):
    """What a limit is about: `kind` is `definition`, `key` (with the concurrency key as `value`) or `share`."""

    kind: str
    name: str
    value: str | None = None

    @classmethod
    def of(cls, key: str) -> Subject:
        """The subject of a slot's key; a definition's own key has no colon."""
        return cls(*key.split(":", 2))

    @property
    def slot_key(self) -> str:
        """The key of the limit's slots."""
        return ":".join(part for part in self if part is not None)


def limits_of(definition: Definition, concurrency_key: str | None, fairness_key: str | None) -> tuple[SlotKey, ...]:
    """The limits under which a task of the definition falls, given its keys."""
    key, most, fair = definition.key, definition.max_concurrent, fairness_key is not None
    share = (SlotKey(Subject("share", key).slot_key, None, shared=True),) if fair else ()
    if concurrency_key is not None:
        return SlotKey(Subject("key", key, concurrency_key).slot_key, most or _CONCURRENT_PER_KEY), *share
    if most is not None:
        return (SlotKey(Subject("definition", key).slot_key, most, shared=fair),)
    return share


def concurrency_key(definition: Definition, given: str | None, stored_input: bytes) -> str | None:
    """The key that a request gave, or what the definition's expression finds in the input (JSON); None for no key.

    Raises ValueError where the expression cannot take this input.
    """
    found: Any = given
    if given is None and definition.concurrency_key is not None:
        found = evaluate(definition.concurrency_key, msgspec.json.decode(stored_input))
    if found is None or found == "":
        return None
    return short(found if isinstance(found, str) else canonical(found).decode())


def short(key: str) -> str:
    """The key, or its digest where it is longer than an index should bear."""
    encoded = key.encode()
    return key if len(encoded) <= _LONGEST_KEY else f"sha256:{digest(encoded).hex()}"

"""The statements, a file each, with the numbers of the domain put in by name.

`@now` is the moment: the first parameter where the store's clock is moved by hand, else the database's own.
The place of an event in its task's story is linear in the attempt: `attempt * @span + @settled`, and so on.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Final

from taskyard.domain import sequence
from taskyard.domain.facts import FORMER_INPUT, PlaceKind
from taskyard.domain.lifecycle import EventType, Outcome
from taskyard.domain.priority import AGED, Priority
from taskyard.domain.queue import Queue

_NUMBERS: Final[dict[str, str]] = {
    "now": "coalesce($1::bigint, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)",
    "span": f"{sequence.queued(1)}::bigint",
    "started": str(sequence.started(0)),
    "former_input": FORMER_INPUT,
    "line": str(sequence.line(0, 0)),
    "settled": str(sequence.settled(0)),
    "head_starts": f"'{{{','.join(str(AGED[priority]) for priority in sorted(Priority))}}}'::bigint[]",
    **{f"outcome_{outcome.name.lower()}": str(int(outcome)) for outcome in Outcome},
    **{f"event_{event.name.lower()}": str(int(event)) for event in EventType},
    **{f"place_{place.name.lower()}": str(int(place)) for place in PlaceKind},
    **{f"queue_{queue.name.lower()}": str(int(queue)) for queue in Queue},
}

_FOLDER = files("taskyard.store.postgres") / "sql"
_COMMENT = re.compile(r"^--.*\n", re.MULTILINE)
_NAME = re.compile(r"@([a-z_]+)")


def fill(text: str, **parts: str) -> str:
    """The SQL with the names put in, and the parts that are given for this time."""
    known = {**_NUMBERS, **parts}
    return _NAME.sub(lambda match: known[match[1]], text)


def statement(name: str, **parts: str) -> str:
    """The statement in `sql/<name>.sql`, ready to run."""
    return fill(_COMMENT.sub("", (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")), **parts).strip()

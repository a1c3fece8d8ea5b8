"""What the facets of the PostgreSQL store share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from taskyard.contracts.records import Topic
from taskyard.domain.ids import IdMaker
from taskyard.store.postgres.clock import StoreClock
from taskyard.store.postgres.database import Database
from taskyard.store.postgres.signals import Signals

encode = msgspec.json.Encoder().encode
decode = msgspec.json.decode


class Base:
    """The connections, the time and the wake-ups."""

    db: Database
    clock: StoreClock
    signals: Signals
    ids: IdMaker
    identity: str

    def new_ids(self, count: int) -> list[int]:
        """See the contract."""
        return self.ids.take(count, self.clock.now())

    def wake(self, *topics: Topic) -> None:
        """Wake whoever listens for these topics, here and elsewhere."""
        self.signals.tell(*topics)


def columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[Sequence[Any]]:
    """The rows turned: `width` columns, also where there is no row."""
    return list(zip(*rows, strict=True)) if rows else [()] * width

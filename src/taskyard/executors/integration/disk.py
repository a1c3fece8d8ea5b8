"""A disk of this machine that is full, or does not do what it should."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from typing import Final

from taskyard.contracts.integration import OperationFailed

_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def telling_full() -> Iterator[None]:
    """Raises OperationFailed for it: the other side is not to blame, and there may be room later."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise _failed(f"the disk here is full: {error.strerror}; make room, then the task can go on") from None


@contextlib.contextmanager
def telling_disk() -> Iterator[None]:
    """The same for all else that goes wrong with files which are nobody's but ours."""
    with telling_full():
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                raise
            raise _failed(f"a file cannot be read or written here: {error.strerror}; look at the disk") from None


def _failed(message: str) -> OperationFailed:
    return OperationFailed(message, error_code="RESOURCE_LIMIT", reason="disk", counts=False, details={"limit": "disk"})

"""How transfers fail."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from taskyard.contracts.integration import OperationFailed
from taskyard.errors import ValidationFailed
from taskyard.executors.integration.disk import telling_full


def missing(path: str) -> OperationFailed:
    """Nothing is there."""
    return OperationFailed(f"{path} is not there", error_code="FILE_NOT_FOUND", reason="missing", retryable=False)


def exists(path: str) -> OperationFailed:
    """Something is there already."""
    return OperationFailed(
        f"{path} is there already; let the operation replace it, or name another",
        error_code="FILE_EXISTS",
        reason="exists",
        retryable=False,
    )


def refused(path: str, said: object) -> OperationFailed:
    """The other side does not permit it."""
    return OperationFailed(f"the other side refuses {path}: {str(said)[:300]}", retryable=False)


def not_let_in() -> OperationFailed:
    """The credentials are wrong."""
    return OperationFailed(
        "the other side does not let us in: check the user and the secrets of the connection",
        reason="credentials",
        retryable=False,
    )


@contextlib.contextmanager
def telling(path: str) -> Iterator[None]:
    """Raises what has gone wrong with a file of this machine in the contract's words."""
    try:
        with telling_full():
            yield
    except FileNotFoundError:
        raise missing(path) from None
    except FileExistsError:
        raise exists(path) from None
    except BlockingIOError:
        raise ValidationFailed(f"{path} is being written by another call") from None
    except OSError as error:
        raise OperationFailed(f"{path}: {error.strerror or error}", retryable=False) from None

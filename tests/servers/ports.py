"""Ports of the loopback interface."""

import contextlib
import random
import socket
from collections.abc import Iterator


def free_port() -> int:
    """One that nobody listens on."""
    # Below the range for outgoing connections: while the server is stopped, no client (not even one that
    # tries to reach the server itself) can be given its port.
    candidates = random.sample(range(15_000, 32_000), 1000)
    return next(port for port in candidates if can_listen(port))


@contextlib.contextmanager
def deaf_port() -> Iterator[int]:
    """One that nobody listens on, and nobody else can meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


def can_listen(port: int) -> bool:
    """Whether a server could listen on it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def is_listened_on(port: int) -> bool:
    """Whether a server listens on it."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

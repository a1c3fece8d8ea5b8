"""Which `Host` and `Origin` headers are ours: whole values are compared, nothing is parsed out of a header.

An allowed origin is written as a browser sends it: `https://tasks.example.com`, `http://localhost:8420`.
"""

from __future__ import annotations

from collections.abc import Collection

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def loopback_origins(port: int, scheme: str = "http") -> frozenset[str]:
    """Return the origins under which a browser on this machine reaches `port`."""
    suffix = "" if _DEFAULT_PORTS[scheme] == port else f":{port}"
    return frozenset(f"{scheme}://{name}{suffix}" for name in _LOOPBACK_NAMES)


def host_allowed(host_header: str | None, allowed: Collection[str]) -> bool:
    """Whether the Host header names one of the `allowed` origins; a missing one never does."""
    return host_header is not None and any(_is_host_of(origin, host_header) for origin in allowed)


def origin_allowed(origin: str | None, host: str | None, allowed: Collection[str]) -> bool:
    """Whether the Origin header is one of the `allowed` origins and the very one that `host` belongs to.

    A missing Origin is not allowed: ask only where a browser must have sent one.
    """
    return origin is not None and host is not None and origin in allowed and _is_host_of(origin, host)


def _is_host_of(origin: str, host: str) -> bool:
    return host != "" and host.isascii() and origin.partition("://")[2] == host.lower()

"""The address of a database server."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from taskyard.errors import ValidationFailed


class Address(NamedTuple):
    """`scheme` such as `postgresql+asyncpg`; `port` None: the usual one."""

    scheme: str
    host: str
    port: int | None
    name: str
    user: str


def parse_address(url: str) -> Address:
    """The parts of the address. Raises ValidationFailed for one that cannot be meant, or that carries a password."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        raise ValidationFailed("settings: the port of the address must be a number up to 65535") from None
    if parts.password is not None:
        raise ValidationFailed("settings: the address must not carry a password; give it as the secret `password`")
    if not parts.hostname:
        raise ValidationFailed("settings: the address must name a host, as in postgresql://host/name")
    if parts.query or parts.fragment:
        raise ValidationFailed("settings: the address must end with the database's name; for TLS there is `tls`")
    return Address(parts.scheme, parts.hostname, port, unquote(parts.path[1:]), unquote(parts.username or ""))

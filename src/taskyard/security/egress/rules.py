"""What an operator allows and denies: networks and hosts."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, ip_address, ip_network
from typing import NamedTuple

from taskyard.security.egress.address import Address, Network, forms, is_public

_LOOPBACK = IPv4Address("127.0.0.1")
_HOST = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")


class _Side(NamedTuple):
    networks: tuple[Network, ...]
    hosts: frozenset[str]
    suffixes: tuple[str, ...]

    def has_host(self, host: str) -> bool:
        return host in self.hosts or host.endswith(self.suffixes)

    def has_address(self, address: Address) -> bool:
        return any(form in network for form in (address, *forms(address)) for network in self.networks)


class Rules(NamedTuple):
    """The public internet may be reached, and what is allowed; never what is denied."""

    allow: _Side = _Side((), frozenset(), ())
    deny: _Side = _Side((), frozenset(), ())

    @classmethod
    def parse(cls, allow: Iterable[str] = (), deny: Iterable[str] = ()) -> Rules:
        """Rules of entries such as `10.0.0.0/8`, `127.0.0.1`, `hooks.internal`, `*.internal`.

        Raises ValueError for an entry that is neither a network nor a host.
        """
        return cls(_side(allow), _side(deny))

    def trusting(self, host: str) -> Rules:
        """These rules, with one host allowed besides."""
        more, allow = _side([host]), self.allow
        return Rules(_Side(allow.networks + more.networks, allow.hosts | more.hosts, allow.suffixes), self.deny)

    def names(self, host: str) -> bool:
        """Whether the host is allowed by its name, whatever its addresses are."""
        return self.allow.has_host(host)

    def refuses_name(self, host: str) -> bool:
        """Whether the host is denied by its name."""
        return self.deny.has_host(host)

    def permits(self, address: Address, *, named: bool = False) -> bool:
        """Whether the address may be reached; `named`: its host is allowed by name."""
        return not self.deny.has_address(address) and (named or is_public(address) or self.allow.has_address(address))


def normal(host: str) -> str:
    """The host as rules name it: lower case, without brackets and the root's dot."""
    return host.strip("[]").removesuffix(".").lower()


def literal(host: str) -> Address | None:
    """The address that the host is, in any spelling that systems know (`0x7f.1`, `localhost`); None for a name."""
    if host == "localhost" or host.endswith(".localhost"):
        return _LOOPBACK
    try:
        return ip_address(host)
    except ValueError:
        try:
            return IPv4Address(socket.inet_aton(host))
        except (OSError, UnicodeError):
            return None


def check_entry(text: str) -> str:
    """The entry itself. Raises ValueError for one that is neither a network nor a host."""
    _side([text])
    return text


def _side(entries: Iterable[str]) -> _Side:
    networks: list[Network] = []
    hosts: set[str] = set()
    for entry in entries:
        name = normal(entry)
        try:
            networks.append(ip_network(name, strict=False))
        except ValueError:
            if not _HOST.fullmatch(name) or name.replace(".", "").isdigit():
                raise ValueError(
                    f"must be networks and hosts such as 10.0.0.0/8, 127.0.0.1, hooks.internal, *.internal; not {entry}"
                ) from None
            hosts.add(name)
    stars = {name for name in hosts if name.startswith("*.")}
    return _Side(tuple(networks), frozenset(hosts - stars), tuple(sorted(name[1:] for name in stars)))

"""Which addresses belong to the public internet (IANA special-purpose address registries, RFC 6890)."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_SPECIAL_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this host
            "10.0.0.0/8",
            "100.64.0.0/10",  # behind a carrier's NAT; also a cloud's metadata
            "127.0.0.0/8",
            "168.63.129.16/32",  # a cloud's host agent, although the address looks public
            "169.254.0.0/16",  # link-local; also most clouds' metadata
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")
_SPECIAL_V6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments, Teredo among them
            "2001:db8::/32",
            "3fff::/20",
        ),
    )
)
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_6TO4 = IPv6Network("2002::/16")
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})


def is_public(address: Address) -> bool:
    """Whether the address, and every IPv4 address that it carries inside, is one of the public internet's."""
    return all(_is_public(form) for form in forms(address))


def forms(address: Address) -> Iterator[Address]:
    """Everything that a packet to `address` may reach: the IPv4 address it carries inside, or else itself.

    IPv4-mapped (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC 3056); ISATAP (RFC 5214) gives both.
    """
    if isinstance(address, IPv4Address):
        yield address
        return
    bits = int(address)
    if address in _MAPPED or address in _NAT64:
        yield IPv4Address(bits & 0xFFFFFFFF)
    elif address in _6TO4:
        yield IPv4Address(bits >> 80 & 0xFFFFFFFF)
    else:
        yield IPv6Address(bits)  # without a zone
        if bits >> 32 & 0xFFFFFFFF in _ISATAP:
            yield IPv4Address(bits & 0xFFFFFFFF)


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    return address in _GLOBAL_V6 and not any(address in network for network in _SPECIAL_V6)

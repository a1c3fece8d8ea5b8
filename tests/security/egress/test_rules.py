from __future__ import annotations

from ipaddress import ip_address

import pytest

from taskyard.security.egress.rules import Rules, literal


def test_networks_and_single_addresses_are_allowed() -> None:
    rules = Rules.parse(["10.1.0.0/16", "127.0.0.1", "fd00::/8", "[::1]"])
    allowed = ["10.1.2.3", "127.0.0.1", "fd00::7", "::1", "8.8.8.8", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3"]
    assert all(rules.permits(ip_address(text)) for text in allowed)
    assert not any(rules.permits(ip_address(text)) for text in ("10.2.0.1", "127.0.0.2", "fe80::1"))


def test_hosts_and_whole_domains_are_allowed_by_name() -> None:
    rules = Rules.parse(["Hooks.Internal.", "*.lab.example"])
    assert rules.names("hooks.internal")
    assert rules.names("a.b.lab.example")
    assert not any(rules.names(host) for host in ("internal", "x.hooks.internal", "lab.example", "evillab.example"))


def test_what_is_denied_stays_so_whatever_is_allowed() -> None:
    rules = Rules.parse(["10.0.0.0/8", "db.internal"], ["10.9.0.0/16", "8.8.8.8", "*.bad.example"])
    assert rules.permits(ip_address("10.1.1.1"))
    assert not rules.permits(ip_address("10.9.1.1"))
    assert not rules.permits(ip_address("10.9.1.1"), named=True)
    assert not rules.permits(ip_address("8.8.8.8"))
    assert not rules.permits(ip_address("::ffff:8.8.8.8"))
    assert rules.refuses_name("x.bad.example")


@pytest.mark.parametrize(
    "entry", ["", "10.0.0.0/33", "http://x", "a b", "10.0.0", "*", "*.", "host:80", "-x", "ä.example"]
)
def test_an_entry_that_is_neither_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="must be networks and hosts"):
        Rules.parse([entry])


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost", "a.localhost"])
def test_every_spelling_of_an_address_is_seen(host: str) -> None:
    assert str(literal(host)) == "127.0.0.1"


def test_a_name_is_no_address() -> None:
    assert literal("example.com") is None
    assert literal("ä.example") is None

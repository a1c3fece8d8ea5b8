from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.security.origin import host_allowed, loopback_origins, origin_allowed

PUBLIC = "https://tasks.example.com"
OURS = loopback_origins(8420) | {PUBLIC}


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8420", "localhost:8420"),
        ("http://127.0.0.1:8420", "127.0.0.1:8420"),
        ("http://[::1]:8420", "[::1]:8420"),
        (PUBLIC, "tasks.example.com"),
        (PUBLIC, "Tasks.Example.COM"),
    ],
)
def test_ours_are_allowed(origin: str, host: str) -> None:
    assert host_allowed(host, OURS)
    assert origin_allowed(origin, host, OURS)


BAD_ORIGINS = [
    None,
    "",
    "null",
    "*",
    "file://",
    "localhost:8420",
    "http://localhost",
    "http://localhost:80",
    "http://localhost:84200",
    "http://localhost:08420",
    "https://localhost:8420",
    "ws://localhost:8420",
    "http://localhost:8420/",
    "http://localhost:8420 ",
    " http://localhost:8420",
    "http://localhost:8420\n",
    "http://localhost:8420, http://attacker.example",
    "http://localhost.:8420",
    "HTTP://LOCALHOST:8420",
    "http://localhost:8420@attacker.example",
    "http://attacker.example@localhost:8420",
    "http://localhost:8420.attacker.example",
    "http://localhost.attacker.example:8420",
    "http://attackerlocalhost:8420",
    "http://attacker.example?http://localhost:8420",
    "http://attacker.example#http://localhost:8420",
    "http://0.0.0.0:8420",
    "http://127.1:8420",
    "http://2130706433:8420",
    "http://[::ffff:127.0.0.1]:8420",
    "http://[0:0:0:0:0:0:0:1]:8420",
    "http://127.0.0.1:8420",
    "http://[::1]:8420",
    PUBLIC,
    "chrome-extension://localhost:8420",
    "http://\uff4cocalhost:8420",
]


@pytest.mark.parametrize("origin", BAD_ORIGINS)
def test_a_foreign_origin_is_refused(origin: str | None) -> None:
    assert not origin_allowed(origin, "localhost:8420", OURS)


BAD_HOSTS = [
    None,
    "",
    "localhost",
    "localhost:80",
    "localhost:84200",
    "localhost:8420 ",
    "localhost.:8420",
    "attacker.example",
    "attacker.example:8420",
    "localhost.attacker.example:8420",
    "localhost:8420.attacker.example",
    "attacker@localhost:8420",
    "localhost:8420, attacker.example",
    "http://localhost:8420",
    "127.0.0.2:8420",
    "127.1:8420",
    "::1:8420",
    "0.0.0.0:8420",
    "tasks.example.com:443",
    "tasks.example.com:8420",
    "evil-tasks.example.com",
    "ta\u212ata.example.com",
]


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_a_foreign_host_is_refused(host: str | None) -> None:
    assert not host_allowed(host, OURS)
    assert not origin_allowed("http://localhost:8420", host, OURS)


def test_a_letter_that_only_folds_to_ours_is_refused() -> None:
    assert not host_allowed("tas\u212as.example.com", OURS)


def test_the_schemes_own_port_is_left_out_as_browsers_do() -> None:
    assert "http://localhost" in loopback_origins(80)
    assert "https://[::1]" in loopback_origins(443, "https")
    assert "http://localhost:443" in loopback_origins(443)


def test_nothing_is_allowed_by_nothing() -> None:
    assert not host_allowed("", [])
    assert not host_allowed("", [""])
    assert not origin_allowed("", "", [""])


@given(st.text(), st.text())
def test_no_text_is_ours(origin: str, host: str) -> None:
    assert not host_allowed(host, OURS)
    assert not origin_allowed(origin, host, OURS)

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.errors import PayloadTooLarge
from taskyard.security import encoding
from taskyard.security.caller import LOCAL, SCOPES, Caller
from taskyard.security.session import LINK_LIFETIME, LoginLinks, Session, SessionSigner

KEY = b"k" * 32
NOW = 1_800_000_000.0
SIGNER = SessionSigner(KEY)
ADA = Caller("ada", frozenset({"tasks:read", "tasks:manual"}), frozenset({"ops"}))
COOKIE = SIGNER.issue(Session(ADA), 60, NOW)

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(NAMES, st.sets(st.sampled_from(sorted(SCOPES))), st.sets(NAMES, max_size=4))
def test_a_cookie_stands_for_its_caller(subject: str, scopes: set[str], groups: set[str]) -> None:
    caller = Caller(subject, frozenset(scopes), frozenset(groups))
    for session in (Session(caller), Session(caller, "ab" * 32)):
        assert SIGNER.read(SIGNER.issue(session, 60, NOW), NOW) == session


def test_a_token_that_is_kept_is_not_to_be_read_in_the_cookie() -> None:
    session = Session(Caller("ada"), token="a token of another service")
    cookie = SIGNER.issue(session, 60, NOW)
    assert SIGNER.read(cookie, NOW) == session
    assert b"token of" not in encoding.decode(cookie)
    with pytest.raises(PayloadTooLarge):
        SIGNER.issue(Session(ADA, token="x" * 4000), 60, NOW)


def test_a_session_is_never_a_token() -> None:
    session = SIGNER.read(SIGNER.issue(Session(Caller("ada", is_token=True)), 60, NOW), NOW)
    assert session == Session(Caller("ada", is_token=False))


def test_a_session_ends() -> None:
    assert SIGNER.read(COOKIE, NOW + 59.9) == Session(ADA)
    assert SIGNER.read(COOKIE, NOW + 60) is None


def test_a_scope_that_no_longer_exists_is_left_out() -> None:
    cookie = SIGNER.issue(Session(Caller("ada", frozenset({"tasks:read", "gone"}))), 60, NOW)
    assert SIGNER.read(cookie, NOW) == Session(Caller("ada", frozenset({"tasks:read"})))


@given(st.text())
def test_no_text_is_a_session(text: str) -> None:
    assert SIGNER.read(text, NOW) is None


@given(st.binary(max_size=200))
def test_no_bytes_are_a_session(data: bytes) -> None:
    assert SIGNER.read(encoding.encode(data), NOW) is None


@given(st.binary(max_size=200))
def test_a_true_signature_excuses_nothing(body: bytes) -> None:
    cookie = encoding.encode(encoding.mac(KEY, body, 32) + body)
    assert SIGNER.read(cookie, NOW) is None


@given(st.integers(0, len(COOKIE) - 1), st.characters())
def test_no_character_can_be_changed(position: int, character: str) -> None:
    changed = COOKIE[:position] + character + COOKIE[position + 1 :]
    assert changed == COOKIE or SIGNER.read(changed, NOW) is None


@pytest.mark.parametrize("cookie", ["", COOKIE + "=", COOKIE + "\n", f'"{COOKIE}"', COOKIE[:-4], "A" * 10**6])
def test_only_the_whole_cookie_counts(cookie: str) -> None:
    assert SIGNER.read(cookie, NOW) is None


def test_another_key_ends_every_session() -> None:
    assert SessionSigner(b"K" * 32).read(COOKIE, NOW) is None


def test_a_caller_that_does_not_fit_is_told_so() -> None:
    groups = frozenset(f"group {number}" for number in range(1000))
    with pytest.raises(PayloadTooLarge, match="groups"):
        SIGNER.issue(Session(Caller("ada", groups=groups)), 60, NOW)


def test_a_login_link_works_once() -> None:
    links = LoginLinks()
    token = links.create(LOCAL, NOW)
    assert links.redeem(token, NOW) == LOCAL
    assert links.redeem(token, NOW) is None


def test_a_login_link_works_for_ten_minutes() -> None:
    links = LoginLinks()
    early, late = links.create(LOCAL, NOW), links.create(LOCAL, NOW)
    assert links.redeem(early, NOW + LINK_LIFETIME - 0.1) == LOCAL
    assert links.redeem(late, NOW + LINK_LIFETIME) is None


def test_links_are_independent() -> None:
    links = LoginLinks()
    first, second = links.create(ADA, NOW), links.create(LOCAL, NOW)
    assert first != second
    assert links.redeem(second, NOW) == LOCAL
    assert links.redeem(first, NOW) == ADA
    assert LoginLinks().redeem(first, NOW) is None


@given(st.text())
def test_no_text_is_a_link(text: str) -> None:
    links = LoginLinks()
    links.create(LOCAL, NOW)
    assert links.redeem(text, NOW) is None

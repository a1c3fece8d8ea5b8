"""What is sealed opens with its key at its place, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.errors import ConfigurationError
from taskyard.security.box import SecretBox

BOX = SecretBox(b"k" * 32)


@given(st.binary(max_size=500), st.text(max_size=30))
def test_what_was_sealed_opens(content: bytes, place: str) -> None:
    sealed = BOX.seal(content, place)
    assert BOX.open(sealed, place) == content
    assert sealed != BOX.seal(content, place)
    assert content not in sealed or len(content) < 4


def test_it_opens_neither_elsewhere_nor_with_another_key() -> None:
    sealed = BOX.seal(b"secret", "subscription/7")
    for box, place in ((BOX, "subscription/8"), (SecretBox(b"o" * 32), "subscription/7")):
        with pytest.raises(ConfigurationError, match="TASKYARD_SECRET_KEY") as caught:
            box.open(sealed, place)
        assert "secret\x00" not in str(caught.value)


@given(st.binary(max_size=80))
def test_nonsense_does_not_open(sealed: bytes) -> None:
    with pytest.raises(ConfigurationError):
        BOX.open(sealed, "x")


def test_every_changed_byte_is_noticed() -> None:
    sealed = BOX.seal(b"a secret", "x")
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(ConfigurationError):
            BOX.open(bytes(changed), "x")


def test_a_new_key_opens_what_a_former_one_has_sealed_and_seals_it_anew() -> None:
    old, new = b"o" * 32, b"n" * 32
    sealed = SecretBox(old).seal(b"a secret", "x")
    both = SecretBox(new, old)
    assert both.open(sealed, "x") == b"a secret"
    assert both.is_former(sealed)
    assert not SecretBox(new).is_former(sealed)
    renewed = both.renew(sealed, "x")
    assert not both.is_former(renewed)
    assert SecretBox(new).open(renewed, "x") == b"a secret"
    with pytest.raises(ConfigurationError):
        SecretBox(old).open(renewed, "x")
    with pytest.raises(ConfigurationError):
        both.renew(sealed, "y")

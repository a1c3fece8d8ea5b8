from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.errors import StaleLease
from taskyard.security import encoding
from taskyard.security.lease import Lease, LeaseSigner

SIGNER = LeaseSigner(b"k" * 32)
TOKEN = SIGNER.sign(17, 2**63 - 1, 3, "worker-a")
IDS = st.integers(0, 2**63 - 1)


@given(IDS, IDS, st.integers(0, 2**31), st.text())
def test_the_owner_reads_back_what_was_signed(claim: int, task: int, attempt: int, owner: str) -> None:
    token = SIGNER.sign(claim, task, attempt, owner)
    assert SIGNER.read(token, owner) == Lease(claim, task, attempt)
    assert encoding.encode(encoding.decode(token)) == token


@given(st.text() | st.text("AZaz09-_", min_size=48, max_size=48))
def test_no_text_is_a_lease(text: str) -> None:
    with pytest.raises(StaleLease):
        SIGNER.read(text, "worker-a")


@given(st.binary(min_size=36, max_size=36), st.text())
def test_no_bytes_are_a_lease(data: bytes, owner: str) -> None:
    with pytest.raises(StaleLease):
        SIGNER.read(encoding.encode(data), owner)


@given(st.integers(0, 47), st.characters())
def test_no_character_can_be_changed(position: int, character: str) -> None:
    changed = TOKEN[:position] + character + TOKEN[position + 1 :]
    if changed == TOKEN:
        return
    with pytest.raises(StaleLease):
        SIGNER.read(changed, "worker-a")


@pytest.mark.parametrize("bit", range(36 * 8))
def test_no_bit_can_be_changed(bit: int) -> None:
    data = bytearray(encoding.decode(TOKEN))
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(StaleLease):
        SIGNER.read(encoding.encode(bytes(data)), "worker-a")


@pytest.mark.parametrize("owner", ["", "worker-b", "worker-a ", "Worker-a", "worker-", "worker-a\x00"])
def test_a_lease_is_useless_to_others(owner: str) -> None:
    with pytest.raises(StaleLease):
        SIGNER.read(TOKEN, owner)


@pytest.mark.parametrize("token", ["", TOKEN + "=", TOKEN + "\n", " " + TOKEN, TOKEN[:-1], TOKEN * 2, "A" * 10**6])
def test_only_the_whole_token_counts(token: str) -> None:
    with pytest.raises(StaleLease):
        SIGNER.read(token, "worker-a")


def test_another_key_signs_other_leases() -> None:
    with pytest.raises(StaleLease):
        LeaseSigner(b"K" * 32).read(TOKEN, "worker-a")


def test_the_ordinary_alphabet_is_another_spelling_and_refused() -> None:
    tokens = (SIGNER.sign(claim, claim, 1, "w") for claim in range(1000))
    token = next(token for token in tokens if "-" in token)
    with pytest.raises(StaleLease):
        SIGNER.read(token.replace("-", "+"), "w")

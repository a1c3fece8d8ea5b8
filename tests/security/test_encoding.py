from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.security import encoding


@given(st.binary())
def test_decoding_undoes_encoding(data: bytes) -> None:
    assert encoding.decode(encoding.encode(data)) == data


@given(st.text() | st.text("AQgw-_+/=", max_size=6) | st.text(st.characters()))
def test_each_value_has_one_spelling(text: str) -> None:
    try:
        data = encoding.decode(text)
    except ValueError:
        return
    assert encoding.encode(data) == text


@pytest.mark.parametrize("text", ["A", "AB", "AA==", "AAA=", "AA\n", " AA", "+/+/", "A A", "AA.", "\u00e9", "\ud800"])
def test_other_spellings_are_value_errors(text: str) -> None:
    with pytest.raises(ValueError):
        encoding.decode(text)


@pytest.mark.parametrize(("size", "length"), [(16, 16), (32, 32)])
def test_a_mac_depends_on_key_and_message(size: int, length: int) -> None:
    macs = {encoding.mac(key, message, size) for key in (b"k", b"K") for message in (b"m", b"M")}
    assert {len(mac) for mac in macs} == {length}
    assert len(macs) == 4
    assert not encoding.same(*sorted(macs)[:2])

"""What a file says it is, and what it is."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.domain.media import UNKNOWN, media_type

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
PDF = b"%PDF-1.7\n"


@pytest.mark.parametrize(
    ("name", "declared", "content", "expected"),
    [
        ("a.pdf", "application/pdf", PDF, "application/pdf"),
        ("a.pdf", "", PDF, "application/pdf"),
        ("a.pdf", UNKNOWN, PDF, "application/pdf"),
        ("scan", "image/png; x=1", PNG, "image/png"),
        ("a.csv", "text/csv", b"a,b\n1,2", "text/csv"),
        ("a.csv", "text/csv", b"", "text/csv"),
        ("a.bin", "application/x-own", PNG, "application/x-own"),
        ("a", "", b"anything", UNKNOWN),
        ("a.txt", "text/plain", "ä".encode("utf-16"), "text/plain"),
        ("a.docx", "", b"PK\x03\x04rest", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("a.webp", "image/webp", b"RIFF\x00\x00\x00\x00WEBP", "image/webp"),
    ],
)
def test_what_is_said_is_true(name: str, declared: str, content: bytes, expected: str) -> None:
    assert media_type(name, declared, content) == expected


@pytest.mark.parametrize(
    ("name", "declared", "content"),
    [
        ("a.pdf", "application/pdf", b"MZ\x90\x00 a program"),
        ("a.pdf", "", PNG),
        ("a.png", "application/pdf", PDF),
        ("a", "image/jpg", PNG),
        ("a.csv", "text/csv", PNG + b"\x00"),
        ("a.json", "application/json", b"\x00\x01"),
        ("a.xlsx", UNKNOWN, b"not zipped"),
        ("a.pdf", "application/pdf", b""),
    ],
)
def test_a_lie_is_refused(name: str, declared: str, content: bytes) -> None:
    with pytest.raises(ValueError, match="is not what"):
        media_type(name, declared, content)


@given(st.text(max_size=20), st.text(max_size=20), st.binary(max_size=50))
def test_any_name_and_type_can_be_asked_about(name: str, declared: str, content: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert media_type(name, declared, content)

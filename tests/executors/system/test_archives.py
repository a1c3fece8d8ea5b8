from __future__ import annotations

import io
import os
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.executors.system.conftest import names

from taskyard.domain import system
from taskyard.errors import ValidationFailed
from taskyard.executors.system.archives import create_archive, extract_archive
from taskyard.executors.system.grants import Grants


def extract(folder: Path, grants: Grants, content: bytes, **limits: int) -> system.Extracted:
    (folder / "archive").write_bytes(content)
    return extract_archive(system.ExtractArchive(f"{folder}/archive", f"{folder}/out", **limits), grants)


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return out.getvalue()


def tarred(*entries: tarfile.TarInfo, content: bytes = b"") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for entry in entries:
            entry.size = len(content) if entry.isreg() else 0
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def member(name: str, type_: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = type_, target
    return entry


@pytest.mark.parametrize("format_", ["zip", "tar", "tar.gz"])
def test_what_is_packed_is_unpacked(folder: Path, grants: Grants, format_: str) -> None:
    (folder / "in" / "deep").mkdir(parents=True)
    (folder / "in" / "a.txt").write_text("a" * 300_000)
    (folder / "in" / "deep" / "ü.bin").write_bytes(b"\0")
    (folder / "in" / "link").symlink_to("/etc/passwd")
    made = create_archive(system.CreateArchive(f"{folder}/in", f"{folder}/x", format_), grants)  # type: ignore[arg-type]
    assert made.size == (folder / "x").stat().st_size
    got = extract_archive(system.ExtractArchive(f"{folder}/x", f"{folder}/out"), grants)
    assert (got.entries, got.size) == (2, 300_001)
    assert (folder / "out" / "deep" / "ü.bin").read_bytes() == b"\0"
    with pytest.raises(FileExistsError):
        extract_archive(system.ExtractArchive(f"{folder}/x", f"{folder}/out"), grants)


LINK = zipfile.ZipInfo("link")
LINK.create_system, LINK.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
NAMES = ["../evil", "/evil", "a/../../evil", "..", "a\\..\\..\\evil", "C:\\evil\0", "a/" * 70 + "x", "x" * 300, "a\nb"]
HARMFUL = [
    *[zipped((name.replace("\0", ""), b"x")) for name in NAMES],
    *[tarred(member(name.replace("\0", "")), content=b"x") for name in NAMES],
    zipped((LINK, b"/etc/passwd")),
    tarred(member("link", tarfile.SYMTYPE, "/etc")),
    tarred(member("link", tarfile.SYMTYPE, "/etc"), member("link/evil")),
    tarred(member("hard", tarfile.LNKTYPE, "../outside.txt")),
    tarred(member("device", tarfile.CHRTYPE)),
    tarred(member("pipe", tarfile.FIFOTYPE)),
    zipped(("a", b"x"), ("a/b", b"y")),
    zipped(("bomb", b"0" * 3_000_000)),
    tarred(member("bomb"), content=b"0" * 3_000_000),
    zipped(*[(f"{number}", b"") for number in range(101)]),
    tarred(*[member(f"{number}") for number in range(101)]),
    b"",
    b"no archive",
    zipped(("a", b"x" * 1000))[:-30],
    tarred(member("a"), content=os.urandom(5000))[:-2000],
]


@pytest.mark.parametrize("content", HARMFUL, ids=range(len(HARMFUL)))
def test_what_would_harm_is_refused_and_leaves_nothing(folder: Path, grants: Grants, content: bytes) -> None:
    with pytest.raises((ValidationFailed, OSError)):
        extract(folder, grants, content, max_bytes=2_000_000, max_entries=100)
    assert names(folder) == ["archive"]
    assert names(folder.parent) == ["inside", "outside.txt"]
    assert (folder.parent / "outside.txt").read_text() == "secret"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    base=st.sampled_from([zipped(("a/b", b"x" * 50), ("c", b"y")), tarred(member("a/b"), content=b"x" * 50)]),
    changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8),
)
def test_a_damaged_archive_never_leads_out(
    folder: Path, grants: Grants, base: bytes, changes: list[tuple[int, int]]
) -> None:
    content = bytearray(base)
    for place, value in changes:
        content[place % len(content)] = value
    (folder / "archive").write_bytes(bytes(content))
    target = system.ExtractArchive(f"{folder}/archive", f"{folder}/out")
    try:
        extract_archive(target, grants)
    except (ValidationFailed, OSError):
        assert not (folder / "out").exists()
    else:
        shutil.rmtree(folder / "out")
    assert names(folder) == ["archive"]
    assert names(folder.parent) == ["inside", "outside.txt"]

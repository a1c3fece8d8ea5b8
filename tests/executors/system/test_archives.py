from __future__ import annotations

import gzip
import io
import os
import shutil
import stat
import struct
import tarfile
import threading
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.executors.system.conftest import names

from taskyard.domain import system
from taskyard.errors import ValidationFailed
from taskyard.executors.system import files
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
def test_what_is_packed_is_unpacked(folder: Path, grants: Grants, format_: Any) -> None:
    (folder / "in" / "deep").mkdir(parents=True)
    (folder / "in" / "a.txt").write_text("a" * 300_000)
    (folder / "in" / "deep" / "ü.bin").write_bytes(b"\0")
    (folder / "in" / "link").symlink_to("/etc/passwd")
    made = create_archive(system.CreateArchive(f"{folder}/in", f"{folder}/x", format_), grants)
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
    tarred(member("sparse", tarfile.GNUTYPE_SPARSE)),
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


def with_header(type_: bytes, size: int) -> bytes:
    """An archive whose first entry says more of the next one than it should."""
    entry = member("header", type_)
    entry.size = size
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb") as packed:
        packed.write(entry.tobuf(tarfile.GNU_FORMAT))
        packed.write(b"x" * size)
    return out.getvalue()


HEADERS = [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK]


@pytest.mark.parametrize("type_", HEADERS)
def test_headers_do_not_fill_the_worker(folder: Path, grants: Grants, type_: bytes) -> None:
    content = with_header(type_, 64 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(ValidationFailed, match="header"):
            extract(folder, grants, content)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert names(folder) == ["archive"]


def test_a_zips_table_of_contents_does_not_fill_the_worker(folder: Path, grants: Grants) -> None:
    one = zipped(("a", b""))
    entry, end = one[one.index(b"PK\1\2") : one.index(b"PK\5\6")], one[one.index(b"PK\5\6") :]
    count = 200_000
    sizes = struct.pack("<HHL", 0xFFFF, 0xFFFF, count * len(entry))
    content = one[: one.index(b"PK\1\2")] + entry * count + end[:8] + sizes + end[16:]
    tracemalloc.start()
    try:
        with pytest.raises(ValidationFailed, match="contents"):
            extract(folder, grants, content, max_entries=100)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert names(folder) == ["archive"]


def test_a_sparse_file_by_another_header_is_refused(folder: Path, grants: Grants) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        entry = tarfile.TarInfo("a")
        entry.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "5"}
        entry.size = 512
        archive.addfile(entry, io.BytesIO(b"1\n0\n5\n".ljust(512, b"\0")))
    with pytest.raises(ValidationFailed, match="sparse"):
        extract(folder, grants, out.getvalue())
    assert names(folder) == ["archive"]


@pytest.mark.parametrize("format_", ["zip", "tar", "tar.gz"])
def test_packing_ends_when_nobody_waits_for_it(folder: Path, grants: Grants, format_: Any) -> None:
    (folder / "in").mkdir()
    (folder / "in" / "a").write_bytes(os.urandom(3 << 20))
    pieces_read = []

    class Stop:
        def is_set(self) -> bool:
            pieces_read.append(1)
            return len(pieces_read) > 3

    token = files.STOP.set(cast("threading.Event", Stop()))
    try:
        with pytest.raises(InterruptedError):
            create_archive(system.CreateArchive(f"{folder}/in", f"{folder}/x", format_), grants)
    finally:
        files.STOP.reset(token)
    assert names(folder) == ["in"]


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

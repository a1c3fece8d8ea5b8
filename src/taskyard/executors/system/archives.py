"""Packing and unpacking, where what is unpacked may be meant to harm."""

from __future__ import annotations

import contextlib
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import BinaryIO, NamedTuple

from taskyard.domain import system
from taskyard.errors import ValidationFailed
from taskyard.executors.system import jail
from taskyard.executors.system.files import pieces, summed
from taskyard.executors.system.grants import Grants
from taskyard.executors.system.jail import Place

_LONGEST_NAME, _DEEPEST = 255, 64
_SYSTEM_UNIX = 3
_BROKEN = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error,
    EOFError, NotImplementedError, RuntimeError, ValueError,
)  # fmt: skip


class _Member(NamedTuple):
    name: str
    is_folder: bool
    is_file: bool
    open: Callable[[], BinaryIO]


def create_archive(asked: system.CreateArchive, grants: Grants) -> system.FileFacts:
    """See the registry."""
    source, target = grants.place("files:read", asked.source), grants.place("files:write", asked.target)
    with jail.writing(target, replace=asked.replace) as out:
        add = _pack_zip if asked.format == "zip" else _pack_tar
        add(out, source, asked.format)
    with jail.reading(target) as made:
        size, digest = summed(made, "sha256")
    return system.FileFacts(asked.target, size, digest)


def _pack_zip(out: BinaryIO, source: Place, _: str) -> None:
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in _files_of(source):
            with archive.open(name, "w", force_zip64=True) as entry:
                for piece in pieces(file):
                    entry.write(piece)


def _pack_tar(out: BinaryIO, source: Place, format_: str) -> None:
    with tarfile.open(fileobj=out, mode="w:gz" if format_ == "tar.gz" else "w") as archive:
        for name, file in _files_of(source):
            entry = tarfile.TarInfo(name)
            entry.size = file.seek(0, 2)
            file.seek(0)
            archive.addfile(entry, file)


def _files_of(source: Place) -> Iterator[tuple[str, BinaryIO]]:
    """The regular files below a folder; the archive that is being made there is not one of them."""
    for name, facts in jail.entries(source, "*", recursive=True):
        if stat.S_ISREG(facts.st_mode) and not name.endswith(".partial"):
            with jail.reading(Place(source.root, (*source.parts, *name.split("/")))) as file:
                yield name, file


def extract_archive(asked: system.ExtractArchive, grants: Grants) -> system.Extracted:
    """See the registry."""
    source, target = grants.place("files:read", asked.source), grants.place("files:write", asked.target)
    try:
        with jail.reading(source) as file, _members(file) as members, jail.unpacking(target) as folder:
            return _extract(members, folder, asked)
    except _BROKEN as error:
        raise ValidationFailed(f"{asked.source} is no archive that can be unpacked: {error}") from None


def _extract(members: Iterator[_Member], folder: Place, asked: system.ExtractArchive) -> system.Extracted:
    count = size = 0
    for member in members:
        count += 1
        if count > asked.max_entries:
            raise ValidationFailed(f"the archive has more than {asked.max_entries} entries")
        parts = _safe(member)
        if member.is_folder:
            jail.make_folders(folder, parts)
            continue
        jail.make_folders(folder, parts[:-1])
        with member.open() as packed, jail.writing(Place(folder.root, (*folder.parts, *parts)), replace=False) as out:
            for piece in pieces(packed):
                size += len(piece)
                if size > asked.max_bytes:
                    raise ValidationFailed(f"the archive unpacks to more than {asked.max_bytes} bytes")
                out.write(piece)
    return system.Extracted(count, size)


def _safe(member: _Member) -> tuple[str, ...]:
    """The names on the way to a member. Raises ValidationFailed for what could lead out or is no file."""
    name = member.name
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    is_odd = name.startswith("/") or "\\" in name or not name.isprintable() or PurePosixPath(name).is_absolute()
    if is_odd or ".." in parts or not parts or len(parts) > _DEEPEST or any(len(p) > _LONGEST_NAME for p in parts):
        raise ValidationFailed(f"the archive has an entry whose name is refused: {name[:100]!r}")
    if not (member.is_folder or member.is_file):
        raise ValidationFailed(f"the archive's entry {name[:100]!r} is neither file nor folder")
    return parts


@contextlib.contextmanager
def _members(file: BinaryIO) -> Iterator[Iterator[_Member]]:
    if zipfile.is_zipfile(file):
        file.seek(0)
        with zipfile.ZipFile(file) as archive:
            yield (_zipped(archive, info) for info in archive.infolist())
    else:
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r|*") as archive:
            yield (_tarred(archive, info) for info in archive)


def _zipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    mode = info.external_attr >> 16 if info.create_system == _SYSTEM_UNIX else 0
    is_file = not info.is_dir() and stat.S_IFMT(mode) in (0, stat.S_IFREG)
    return _Member(info.filename, info.is_dir(), is_file, lambda: archive.open(info))  # type: ignore[arg-type, return-value]


def _tarred(archive: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    return _Member(info.name, info.isdir(), info.isreg(), lambda: archive.extractfile(info))  # type: ignore[arg-type, return-value]

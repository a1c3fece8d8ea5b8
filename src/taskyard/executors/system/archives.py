"""Packing and unpacking, where what is unpacked may be meant to harm."""

from __future__ import annotations

import contextlib
import io
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import IO, BinaryIO, NamedTuple

from taskyard.domain import system
from taskyard.errors import ValidationFailed
from taskyard.executors.system.files import Stoppable, go_on, pieces, summed
from taskyard.executors.system.grants import Grants
from taskyard.security import folders
from taskyard.security.folders import Place

_LONGEST_NAME, _DEEPEST = 255, 64
_LONGEST_HEADER = 1 << 20
_HEADERS = frozenset(
    {
        tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
    }
)  # fmt: skip
_SYSTEM_UNIX = 3
_CONTENTS, _CONTENTS_OF_ENTRY = 1 << 20, 256
_BROKEN = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error,
    EOFError, NotImplementedError, RuntimeError, ValueError,
)  # fmt: skip


class _Bounded(tarfile.TarInfo):
    """An entry whose headers of headers, which are read into memory whole, are small; none is sparse, whose map is."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Bounded:
        """See tarfile. Raises tarfile.ReadError."""
        found = super().frombuf(buf, encoding, errors)
        if found.type in _HEADERS and found.size > _LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {found.size} bytes")
        if found.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError("a sparse file")
        return found

    def _refuse_sparse(self, *_: object) -> None:
        raise tarfile.ReadError("a sparse file")

    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse_sparse


class _Frugal(io.BufferedReader):
    """A file of which never more than so much is read at once: a zip's table of contents is read whole."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        super().__init__(io.FileIO(file.fileno(), closefd=False))
        self._most = most

    def read(self, size: int | None = -1, /) -> bytes:
        """See the file. Raises zipfile.BadZipFile."""
        if size is None or not -1 <= size <= self._most:
            raise zipfile.BadZipFile(f"a table of contents of {size} bytes")
        return super().read(size)


class _Member(NamedTuple):
    name: str
    is_folder: bool
    is_file: bool
    open: Callable[[], IO[bytes]]


def create_archive(asked: system.CreateArchive, grants: Grants) -> system.FileFacts:
    """See the registry."""
    source, target = grants.place("files:read", asked.source), grants.place("files:write", asked.target)
    with folders.writing(target, replace=asked.replace) as out:
        add = _pack_zip if asked.format == "zip" else _pack_tar
        add(out, source, asked.format)
    with folders.reading(target) as made:
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
            archive.addfile(entry, Stoppable(file))


def _files_of(source: Place) -> Iterator[tuple[str, BinaryIO]]:
    """The regular files below a folder; the archive that is being made there is not one of them."""
    for name, facts in folders.entries(source, "*", recursive=True):
        go_on()
        if stat.S_ISREG(facts.st_mode) and not name.endswith(".partial"):
            with folders.reading(Place(source.root, (*source.parts, *name.split("/")))) as file:
                yield name, file


def extract_archive(asked: system.ExtractArchive, grants: Grants) -> system.Extracted:
    """See the registry."""
    source, target = grants.place("files:read", asked.source), grants.place("files:write", asked.target)
    try:
        with (
            folders.reading(source) as file,
            _members(file, asked.max_entries) as members,
            folders.unpacking(target) as folder,
        ):
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
            folders.make_folders(folder, parts)
            continue
        folders.make_folders(folder, parts[:-1])
        with (
            member.open() as packed,
            folders.writing(Place(folder.root, (*folder.parts, *parts)), replace=False) as out,
        ):
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
def _members(file: BinaryIO, most: int) -> Iterator[Iterator[_Member]]:
    if zipfile.is_zipfile(file):
        file.seek(0)
        with _Frugal(file, _CONTENTS + most * _CONTENTS_OF_ENTRY) as frugal, zipfile.ZipFile(frugal) as archive:
            yield (_zipped(archive, info) for info in archive.infolist())
    else:
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r|*", tarinfo=_Bounded) as archive:
            yield (_tarred(archive, info) for info in archive)


def _zipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    mode = info.external_attr >> 16 if info.create_system == _SYSTEM_UNIX else 0
    is_file = not info.is_dir() and stat.S_IFMT(mode) in (0, stat.S_IFREG)
    return _Member(info.filename, info.is_dir(), is_file, lambda: archive.open(info))


def _tarred(archive: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    return _Member(info.name, info.isdir(), info.isreg(), lambda: _content(archive, info))


def _content(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(info)
    if content is None:
        raise ValidationFailed(f"the archive's entry {info.name[:100]!r} has no content")
    return content

"""File functions. They run in threads; content goes through in pieces."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import IO, Any, BinaryIO

from taskyard.domain import system
from taskyard.errors import ValidationFailed
from taskyard.executors.system.grants import Grants
from taskyard.security import folders

STOP: ContextVar[threading.Event | None] = ContextVar("STOP", default=None)
"""Set when work with files that is under way in a thread is to end."""

_PIECE = 1 << 18
_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}


def read_file(asked: system.ReadFile, grants: Grants) -> system.FileContent:
    """See the registry."""
    with folders.reading(grants.place("files:read", asked.path)) as file:
        content = file.read(asked.max_bytes + 1)
    if len(content) > asked.max_bytes:
        raise ValidationFailed(f"{asked.path} is larger than {asked.max_bytes} bytes")
    try:
        text = content.decode() if asked.encoding == "utf-8" else base64.b64encode(content).decode()
    except UnicodeDecodeError:
        raise ValidationFailed(f"{asked.path} is no UTF-8 text; read it as base64") from None
    return system.FileContent(text, len(content), hashlib.sha256(content).hexdigest())


def write_file(asked: system.WriteFile, grants: Grants) -> system.FileFacts:
    """See the registry."""
    place = grants.place("files:write", asked.path)
    try:
        content = (
            asked.content.encode() if asked.encoding == "utf-8" else base64.b64decode(asked.content, validate=True)
        )
    except ValueError:
        raise ValidationFailed("content is not what its encoding says") from None
    with folders.writing(place, replace=asked.replace) as file:
        file.write(content)
    return system.FileFacts(asked.path, len(content), hashlib.sha256(content).hexdigest())


def list_files(asked: system.ListFiles, grants: Grants) -> system.Listed:
    """See the registry."""
    place = grants.place("files:read", asked.path)
    found: list[dict[str, Any]] = []
    for below, facts in folders.entries(place, asked.pattern, recursive=asked.recursive):
        if len(found) == asked.limit:
            return system.Listed(found, truncated=True)
        found.append(
            {
                "path": f"{asked.path.rstrip('/')}/{below}",
                "type": _KINDS.get(stat.S_IFMT(facts.st_mode), "other"),
                "size": facts.st_size,
                "modifiedAt": datetime.fromtimestamp(facts.st_mtime, UTC).isoformat(timespec="milliseconds"),
            }
        )
    return system.Listed(found, truncated=False)


def copy_file(asked: system.MoveFile, grants: Grants) -> system.FileFacts:
    """See the registry."""
    source, target = grants.place("files:read", asked.source), grants.place("files:write", asked.target)
    with folders.reading(source) as file, folders.writing(target, replace=asked.replace) as copy:
        size, digest = summed(file, "sha256", copy)
    return system.FileFacts(asked.target, size, digest)


def move_file(asked: system.MoveFile, grants: Grants) -> system.FileFacts:
    """See the registry."""
    grants.need("files:write", asked.source)
    source, target = grants.place("files:read", asked.source), grants.place("files:write", asked.target)
    with folders.reading(source) as file:
        size, digest = summed(file, "sha256")
        folders.move(source, target, replace=asked.replace)
    return system.FileFacts(asked.target, size, digest)


def delete_files(asked: system.DeleteFile, grants: Grants) -> system.Deleted:
    """See the registry."""
    place = grants.place("files:write", asked.path)
    try:
        return system.Deleted(folders.remove(place, recursive=asked.recursive))
    except FileNotFoundError:
        if asked.missing_ok:
            return system.Deleted(0)
        raise


def checksum(asked: system.Checksum, grants: Grants) -> system.Digest:
    """See the registry."""
    with folders.reading(grants.place("files:read", asked.path)) as file:
        size, digest = summed(file, asked.algorithm)
    return system.Digest(digest, size)


def summed(file: BinaryIO, algorithm: str, copy: BinaryIO | None = None) -> tuple[int, str]:
    """Size and digest of the rest of the file, which is copied on the way."""
    digest, size = hashlib.new(algorithm, usedforsecurity=False), 0
    for piece in pieces(file):
        digest.update(piece)
        size += len(piece)
        if copy is not None:
            copy.write(piece)
    return size, digest.hexdigest()


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """The rest of the file, in pieces, until nobody waits for them any more."""
    while piece := file.read(_PIECE):
        go_on()
        yield piece


def go_on() -> None:
    """Raise InterruptedError when nobody waits for what is under way any more."""
    stop = STOP.get()
    if stop is not None and stop.is_set():
        raise InterruptedError("nobody waits for it any more")


class Stoppable:
    """A file to be read by somebody else, until nobody waits for it any more."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """See the file."""
        go_on()
        return self._file.read(size)


def told(error: OSError) -> str:
    """What went wrong with a file, in words."""
    if error.errno is None:
        return str(error)
    reason = "a link, which is not followed" if error.errno in _LINKS else os.strerror(error.errno)
    return f"{error.filename}: {reason}" if error.filename else reason


_LINKS = frozenset({40, 62})  # ELOOP, where O_NOFOLLOW met a link

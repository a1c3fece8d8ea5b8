"""Files below permitted folders, reached step by step without following links: no name leads out, at no time."""

from __future__ import annotations

import contextlib
import fcntl
import fnmatch
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_RESUME = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Place(NamedTuple):
    """A path: the folder that the operator permits, itself trusted, and the names below it, which are not."""

    root: str
    parts: tuple[str, ...]

    def __str__(self) -> str:
        return "/".join((self.root.rstrip("/"), *self.parts))

    @property
    def name(self) -> str:
        """Its last name. Raises PermissionError for the permitted folder itself, which is not to be changed."""
        if not self.parts:
            raise PermissionError(f"{self.root} is the permitted folder itself")
        return self.parts[-1]


@contextlib.contextmanager
def parent_of(place: Place) -> Iterator[int]:
    """A descriptor of the folder that `place` is in."""
    with _opened(Place(place.root, place.parts[:-1])) as folder:
        yield folder


@contextlib.contextmanager
def _opened(place: Place) -> Iterator[int]:
    current = os.open(place.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in place.parts:
            following = os.open(part, _FOLDER, dir_fd=current)
            os.close(current)
            current = following
        yield current
    finally:
        os.close(current)


def reading(place: Place) -> BinaryIO:
    """The file, open for reading. Only regular files are read."""
    with parent_of(place) as folder:
        file = os.fdopen(os.open(place.name, _READ, dir_fd=folder), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise PermissionError(f"{place} is no regular file")
    return file


@contextlib.contextmanager
def writing(place: Place, *, replace: bool) -> Iterator[BinaryIO]:
    """A new file that appears at `place`, whole, when the block ends well. Raises FileExistsError."""
    draft = f".{secrets.token_hex(8)}.partial"
    with parent_of(place) as folder:
        name = place.name
        _refuse_folder(name, folder)
        try:
            with os.fdopen(os.open(draft, _MAKE, 0o644, dir_fd=folder), "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            _appear(draft, name, folder, folder, replace=replace)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(draft, dir_fd=folder)


@contextlib.contextmanager
def resuming(place: Place, draft: str, *, replace: bool) -> Iterator[BinaryIO]:
    """As `writing`, but what was written stays as a draft of that name when the block fails; the next one under it
    finds the file as it was left. Raises BlockingIOError while another has it.
    """
    with parent_of(place) as folder:
        name = place.name
        _refuse_folder(name, folder)
        if not replace and _kind(name, folder) is not None:
            raise FileExistsError(f"{name} is there already")
        with os.fdopen(os.open(draft, _RESUME, 0o644, dir_fd=folder), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise PermissionError(f"{draft} is no regular file")
            yield file
            file.flush()
            os.fsync(file.fileno())
            _appear(draft, name, folder, folder, replace=replace)


def entries(place: Place, pattern: str, *, recursive: bool) -> Iterator[tuple[str, os.stat_result]]:
    """Path below `place` and facts of what is in it; of links, the link's own."""
    with _opened(place) as top:
        for below, folders, files, folder in os.fwalk(".", dir_fd=top):
            folders.sort()
            for name in sorted((*folders, *files)):
                if fnmatch.fnmatchcase(name, pattern):
                    with contextlib.suppress(FileNotFoundError):
                        yield os.path.normpath(f"{below}/{name}"), os.lstat(name, dir_fd=folder)
            if not recursive:
                return


def move(source: Place, target: Place, *, replace: bool) -> None:
    """Give a file or folder another place. Raises FileExistsError."""
    with parent_of(source) as from_, parent_of(target) as to:
        _appear(source.name, target.name, from_, to, replace=replace)


def remove(place: Place, *, recursive: bool) -> int:
    """Delete; how many files and folders there were. Raises FileNotFoundError, and OSError for a folder in use."""
    with parent_of(place) as folder:
        name = place.name
        if not stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
            os.unlink(name, dir_fd=folder)
            return 1
        if not recursive:
            os.rmdir(name, dir_fd=folder)
            return 1
        count = 1 + sum(1 for _ in entries(place, "*", recursive=True))
        shutil.rmtree(name, dir_fd=folder)
        return count


@contextlib.contextmanager
def unpacking(place: Place) -> Iterator[Place]:
    """A fresh folder that becomes `place`, whole, when the block ends well; else nothing is left of it."""
    draft = Place(place.root, (*place.parts[:-1], f".{secrets.token_hex(8)}.partial"))
    with parent_of(place) as folder:
        if _kind(place.name, folder) is not None:
            raise FileExistsError(f"{place} is there already")
        os.mkdir(draft.name, 0o755, dir_fd=folder)
        try:
            yield draft
            os.rename(draft.name, place.name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            shutil.rmtree(draft.name, dir_fd=folder)
            raise


def make_folders(place: Place, below: tuple[str, ...]) -> None:
    """Make the folders `below` a place, each within the other."""
    for depth in range(1, len(below) + 1):
        inner = Place(place.root, (*place.parts, *below[:depth]))
        with parent_of(inner) as folder, contextlib.suppress(FileExistsError):
            os.mkdir(inner.name, 0o755, dir_fd=folder)


def _appear(draft: str, name: str, from_: int, to: int, *, replace: bool) -> None:
    """Move without ever letting something half be seen. A link is moved by nobody."""
    kind = _kind(draft, from_)
    if kind is None:
        raise FileNotFoundError(f"{draft} is not there")
    if kind == stat.S_IFLNK:
        raise PermissionError(f"{draft} is a link")
    if replace:
        os.replace(draft, name, src_dir_fd=from_, dst_dir_fd=to)
    elif kind == stat.S_IFREG:
        os.link(draft, name, src_dir_fd=from_, dst_dir_fd=to, follow_symlinks=False)
        os.unlink(draft, dir_fd=from_)
    elif _kind(name, to) is not None:
        raise FileExistsError(f"{name} is there already")
    else:
        os.rename(draft, name, src_dir_fd=from_, dst_dir_fd=to)


def facts(place: Place) -> os.stat_result | None:
    """What is known of what is there; of a link, the link's own. None for nothing."""
    with contextlib.suppress(FileNotFoundError), parent_of(place) as folder:
        return os.lstat(place.name, dir_fd=folder)
    return None


def _refuse_folder(name: str, folder: int) -> None:
    if _kind(name, folder) == stat.S_IFDIR:
        raise IsADirectoryError(f"{name} is a folder")


def _kind(name: str, folder: int) -> int | None:
    try:
        return stat.S_IFMT(os.lstat(name, dir_fd=folder).st_mode)
    except FileNotFoundError:
        return None

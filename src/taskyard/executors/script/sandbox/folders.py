"""Folders of jails on this machine, for the tier that cannot give them a file system of their own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

_PREFIX = "taskyard-jails-"
_LOCK = ".lock"
_YOUNG_SECONDS = 60.0


class Folders:
    """One folder of this process, in it one for each jail. What a process that died left behind goes at the start.

    `for_others`: whether jails have users of their own, who have to be able to read what they are shown.
    """

    def __init__(self, *, for_others: bool = False) -> None:
        self.for_others = for_others
        self._making = threading.RLock()
        self._root: Path | None = None
        self._lock = -1
        self._count = 0

    def make(self, uid: int) -> Path:
        """A new empty folder that only this user can enter (0: ours)."""
        self._count += 1
        folder = self.root / str(self._count)
        folder.mkdir(mode=0o700)
        if uid:
            os.chown(folder, uid, uid)
        return folder

    def publish(self, path: Path) -> Path:
        """The file itself where the jails' users can read it, or else a copy that any user can."""
        return path if self.can_read(path) else self.made(path.name, lambda part: shutil.copyfile(path, part))

    def made(self, name: str, make: Callable[[Path], object]) -> Path:
        """A file that any user can read, made once: who was shown it may not be shown another of its name."""
        file = self.root / name
        with self._making:
            if not file.exists():
                part = file.with_name(f"{name}.part")  # one that the disk was too full for is not used
                make(part)
                part.chmod(0o755)
                part.rename(file)
        return file

    def can_read(self, path: Path) -> bool:
        """Whether the jails' users can read the file."""
        return not self.for_others or readable_by_all(path)

    @property
    def root(self) -> Path:
        """This process's folder; others may pass through it and not look into it."""
        with self._making:
            if self._root is None:
                self._root = Path(tempfile.mkdtemp(prefix=_PREFIX))
                self._root.chmod(0o711)
                self._lock = _locked(self._root)
            return self._root

    def close(self) -> None:
        """Remove all of them."""
        with self._making:  # a probe's thread may still be about to make the first
            if self._root is not None:
                remove(self._root)
                os.close(self._lock)
                self._root = None


def sweep() -> None:
    """Remove what processes that died have left."""
    for folder in Path(tempfile.gettempdir()).glob(_PREFIX + "*"):
        try:
            seen = folder.lstat()
            old = time.time() - seen.st_mtime > _YOUNG_SECONDS  # a younger one may not have its lock yet
            if old and seen.st_uid == os.geteuid() and not folder.is_symlink():
                os.close(_locked(folder))
                remove(folder)
        except OSError:
            continue  # it is another's, or its process lives


def remove(folder: Path) -> None:
    """Remove a folder, whatever code has made of it; however deep it is."""
    with contextlib.suppress(OSError, RecursionError):
        shutil.rmtree(folder)  # quicker than a process, which is for what is too deep, or not ours to enter
        return
    command = ["/bin/rm", "-rf", "--one-file-system", "--", str(folder)]
    if subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode:  # noqa: S603 - its name is ours
        subprocess.run(["/bin/chmod", "-R", "u+rwx", str(folder)], check=False, stderr=subprocess.DEVNULL)  # noqa: S603 - a folder of ours
        subprocess.run(command, check=False, stderr=subprocess.DEVNULL)  # noqa: S603 - a folder of ours


def _locked(folder: Path) -> int:
    """A descriptor that holds the folder's lock. Raises OSError where another has it."""
    descriptor = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def readable_by_all(path: Path) -> bool:
    """Whether any user of this machine can come to the file and read it."""
    try:
        real = path.resolve(strict=True)
        ways = [parent.stat().st_mode for parent in real.parents]
        mode = real.stat().st_mode
    except OSError:
        return False
    return bool(mode & stat.S_IROTH) and all(way & stat.S_IXOTH for way in ways)

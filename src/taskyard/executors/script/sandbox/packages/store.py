"""Where installed packages are kept: a folder for each lock, and for each wish the name of its lock.

All workers of a machine may share it. What was installed never changes; what nobody uses goes first when it is full.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

from taskyard.executors.script.sandbox.folders import readable_by_all, remove
from taskyard.executors.script.sandbox.packages.installing import PACKAGES, TooLarge, Uninstallable
from taskyard.executors.script.sandbox.watch import folder_mb

_NEW, _GONE = "new-", "gone-"
_HELD = ".held"
OPEN = 0o755
"""How folders are made that jails' users read, whatever our umask is."""


class Store:
    """The folder `root`, of `most_mb` at most; made when it is first needed."""

    def __init__(self, root: Path, most_mb: float) -> None:
        self.root = root
        self._most_mb = most_mb
        self._holding: dict[str, tuple[int, int]] = {}  # how often, and by which descriptor
        self._crowded = False
        self._lock = threading.Lock()

    def open(self, *, for_all: bool) -> None:
        """Make the folder. `for_all`: other users have to be able to read it. Raises Uninstallable."""
        mend = "set TASKYARD_PACKAGES_DIR to a folder that"
        try:
            for folder in (self.root, self._wishes):
                if not folder.is_dir():
                    folder.mkdir(parents=True, exist_ok=True)
                    folder.chmod(OPEN)
        except OSError as error:
            raise Uninstallable(
                f"packages cannot be kept in {self.root}: {error.strerror}; {mend} can be written"
            ) from None
        if for_all and not readable_by_all(self.root):
            raise Uninstallable(f"the jails' users cannot read {self.root}; {mend} all users can read")
        self._sweep()

    def locked(self, wish: str) -> str:
        """The lock that a wish was resolved to, if it was."""
        try:
            return (self._wishes / wish).read_text()
        except OSError:
            return ""

    def hold(self, name: str) -> Path | None:
        """The folder of what is installed under this name, if it is; kept until it is released as often as held."""
        with self._lock:
            times, descriptor = self._holding.get(name, (0, -1))
            if not times:
                descriptor = self._opened(name)
            if descriptor < 0:
                return None
            self._holding[name] = (times + 1, descriptor)
        folder = self.root / name
        with contextlib.suppress(OSError):
            os.utime(folder / _HELD)
        return folder

    def release(self, name: str) -> None:
        """It may be removed, as far as this holder goes."""
        with self._lock:
            times, descriptor = self._holding.pop(name, (0, -1))
            if times > 1:
                self._holding[name] = (times - 1, descriptor)
            elif times:
                os.close(descriptor)

    def _opened(self, name: str) -> int:
        """A descriptor that holds what is installed under this name; -1 where nothing is."""
        held = self.root / name / _HELD
        try:
            descriptor = os.open(held, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return -1
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if _is_at(held, descriptor):
            return descriptor
        os.close(descriptor)  # it was being removed
        return -1

    @contextlib.contextmanager
    def making(self) -> Iterator[tuple[Path, float]]:
        """A new folder to make something in, and how many MiB it may take; removed afterwards."""
        room = self._make_room()
        folder = self.root / f"{_NEW}{secrets.token_hex(8)}"
        folder.mkdir()
        folder.chmod(OPEN)
        held = _held(folder)
        try:
            yield folder, room
        except TooLarge as error:
            if room < self._most_mb:
                self._crowded = True
                raise Uninstallable(
                    f"the packages do not fit the {room:.0f} MiB that others leave of TASKYARD_PACKAGES_MB",
                    retryable=True,
                ) from error
            raise
        finally:
            self._discard(folder)
            os.close(held)

    def keep(self, made: Path, name: str) -> Path | None:
        """What was made, `packages` in a folder, is installed from now on; if another was quicker, theirs is.

        It is held, as by `hold`.
        """
        folder = self.root / f"{_NEW}{secrets.token_hex(8)}"
        folder.mkdir()
        folder.chmod(OPEN)
        held = _held(folder)
        made.rename(folder / PACKAGES)
        try:
            folder.rename(self.root / name)
        except OSError:
            self._discard(folder)
        kept = self.hold(name)
        os.close(held)
        return kept

    def remember(self, wish: str, name: str) -> None:
        """From now on the wish is resolved to this."""
        temporary = self._wishes / f"{_NEW}{secrets.token_hex(8)}"
        temporary.write_text(name)
        temporary.replace(self._wishes / wish)

    def close(self) -> None:
        """Hold nothing any more."""
        with self._lock:
            for _, descriptor in self._holding.values():
                os.close(descriptor)
            self._holding.clear()

    @property
    def _wishes(self) -> Path:
        return self.root / "wishes"

    def _make_room(self) -> float:
        """How many MiB are left, after the least lately used have gone, down to half, or to none where something did
        not fit beside them. Raises Uninstallable.
        """
        most, self._crowded = 0 if self._crowded else self._most_mb / 2, False
        self._sweep()
        installed = sorted((each for each in self.root.iterdir() if each != self._wishes), key=_used_at)
        sizes = {each: folder_mb(each) for each in installed}
        for folder in installed:
            if sum(sizes.values()) <= most:
                break
            if self._remove_unheld(folder):
                del sizes[folder]
        room = self._most_mb - sum(sizes.values())
        if room <= 0:
            raise Uninstallable("the packages in use fill their folder; raise TASKYARD_PACKAGES_MB", retryable=True)
        return room

    def _sweep(self) -> None:
        """Remove what those left behind who died while they installed, or removed."""
        for folder in self.root.iterdir():
            if folder.name.startswith(_NEW):
                self._remove_unheld(folder)
            elif folder.name.startswith(_GONE):
                remove(folder)

    def _remove_unheld(self, folder: Path) -> bool:
        """Remove the folder unless somebody holds it; one that cannot be held yet has just been made."""
        try:
            descriptor = os.open(folder / _HELD, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return _is_at(folder / _HELD, descriptor) and self._discard(folder)
        except OSError:
            return False
        finally:
            os.close(descriptor)

    def _discard(self, folder: Path) -> bool:
        """Take the folder away whole, then remove it: whoever dies in between leaves no part of it in its place."""
        gone = self.root / f"{_GONE}{secrets.token_hex(8)}"
        try:
            folder.rename(gone)
        except OSError:
            return False
        remove(gone)
        return True


def _held(folder: Path) -> int:
    """A descriptor that holds a new folder."""
    descriptor = os.open(folder / _HELD, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def _used_at(folder: Path) -> float:
    try:
        return (folder / _HELD).stat().st_mtime
    except OSError:
        return 0.0


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether the file at this path is the one that is open."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False

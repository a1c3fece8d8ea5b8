"""Files that a program is given, and files that it makes."""

from __future__ import annotations

import contextlib
import itertools
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from taskyard.domain.frame import Wrote
from taskyard.domain.isolation import BUBBLEWRAP
from taskyard.domain.outcome import MadeFile
from taskyard.domain.upload import UploadedFile
from taskyard.executors.script.sandbox.folders import Folders
from taskyard.executors.script.sandbox.jail import Bind

_INSIDE = "/files"
_MOST_MADE = 100
_LONGEST_NAME = 255
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._ -]")
_numbers = itertools.count()


class Given(NamedTuple):
    """Files as a jail shows them: what to bind, what the program is told of each, and copies to remove afterwards."""

    binds: tuple[Bind, ...] = ()
    told: Mapping[str, dict[str, Any]] = {}
    copies: tuple[Path, ...] = ()

    def remove(self) -> None:
        """Let go of the copies."""
        for copy in self.copies:
            copy.unlink(missing_ok=True)


def give(files: Mapping[str, UploadedFile], tier: str, folders: Folders) -> Given:
    """The files for one jail. `folders`: where copies go, if the jail's user could not read them."""
    with contextlib.ExitStack() as stack:
        given = _given(files, tier, folders, stack)
        stack.pop_all()
        return given


def _given(files: Mapping[str, UploadedFile], tier: str, folders: Folders, stack: contextlib.ExitStack) -> Given:
    """The same; the stack removes the copies."""
    binds, told, copies = [], {}, []
    for number, (upload_id, file) in enumerate(files.items()):
        if file.path is None:
            continue
        path = file.path.resolve()
        if not folders.can_read(path):
            copy = folders.root / f"given-{next(_numbers)}"
            stack.callback(copy.unlink, missing_ok=True)
            copy.touch(mode=0o600)
            path = shutil.copyfile(path, copy)
            path.chmod(0o400)
            copies.append(path)
        inside = f"{_INSIDE}/{number}/{_safe(file.name)}" if tier == BUBBLEWRAP else str(path)
        binds.append(Bind(str(path), inside, for_one=path in copies))
        told[upload_id] = {"path": inside, "name": file.name, "size": file.size, "sha256": file.sha256}
    return Given(tuple(binds), told, tuple(copies))


class Made:
    """Collects the files that a program hands over, piece by piece. What they hold is bounded as all its output is."""

    def __init__(self) -> None:
        self._pieces: dict[str, bytearray] = {}
        self._whole: dict[str, bytes] = {}

    def take(self, piece: Wrote) -> None:
        """One more piece; of two files with one name the later counts."""
        name = piece.name.replace("\\", "/").rsplit("/", 1)[-1][:_LONGEST_NAME]
        if name not in self._pieces and len(self._pieces) + len(self._whole) >= _MOST_MADE:
            return
        self._pieces.setdefault(name, bytearray()).extend(piece.data)
        if piece.last:
            self._whole[name] = bytes(self._pieces.pop(name))

    @property
    def files(self) -> tuple[MadeFile, ...]:
        """Those that are whole."""
        return tuple(MadeFile(name, content) for name, content in self._whole.items())


def _safe(name: str) -> str:
    return _NOT_IN_NAMES.sub("_", name).lstrip(".") or "file"

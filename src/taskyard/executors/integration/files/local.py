"""Folders of this machine that the operator permits."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from pathlib import Path
from typing import Final, Literal

from taskyard.executors.integration.files.far import PIECE, Facts
from taskyard.executors.integration.files.faults import telling
from taskyard.executors.integration.files.near import Source, Target, in_thread, permitted
from taskyard.executors.integration.files.shapes import FileSettings
from taskyard.executors.integration.house import House
from taskyard.security import folders
from taskyard.security.folders import Place

_KINDS: Final[Mapping[int, Literal["file", "folder", "link"]]] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
}


class LocalHost:
    """See the protocol."""

    def __init__(self, settings: FileSettings, house: House) -> None:
        settings.need("folder")
        permitted(settings.folder, house.folders)
        self._roots = house.folders
        self.label = settings.folder

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[LocalFar]:
        """See the protocol."""
        yield LocalFar(self._roots)

    async def close(self) -> None:
        """See the protocol."""


class LocalFar:
    """See the protocol. No link is followed below the permitted folder."""

    def __init__(self, roots: tuple[Path, ...]) -> None:
        self._roots = roots

    async def facts(self, path: str) -> Facts | None:
        """See the protocol."""
        place = self._place(path)
        with telling(path):
            found = await in_thread(lambda: folders.facts(place))
        return None if found is None else _facts(place.name, found)

    async def entries(self, path: str) -> AsyncGenerator[Facts, None]:
        """See the protocol."""
        place = self._place(path)

        def look() -> list[Facts]:
            return [_facts(name, found) for name, found in folders.entries(place, "*", recursive=False)]

        with telling(path):
            found = await in_thread(look)
        for facts in found:
            yield facts

    async def read(self, path: str, offset: int, facts: Facts) -> AsyncGenerator[bytes, None]:
        """See the protocol."""
        del facts
        with telling(path):
            file = await in_thread(lambda: folders.reading(self._place(path)))
        try:
            await in_thread(lambda: file.seek(offset))
            while piece := await in_thread(lambda: file.read(PIECE)):
                yield piece
        finally:
            file.close()

    async def upload(self, path: str, source: Source, draft: str, *, replace: bool, resume: bool) -> int:
        """See the protocol."""
        place = self._place(path)
        landing = folders.resuming(place, f".{draft}.partial", replace=replace)
        async with Target(landing, path, place.root, source.size, lambda *_: None, resume=resume) as target:
            async with contextlib.aclosing(source.pieces(target.resumed, PIECE)) as pieces:
                async for piece in pieces:
                    await target.write(piece)
            await target.flush()
        return target.resumed

    async def move(self, path: str, to: str, *, replace: bool) -> None:
        """See the protocol."""
        with telling(path):
            await in_thread(lambda: folders.move(self._place(path), self._place(to), replace=replace))

    async def delete(self, path: str) -> None:
        """See the protocol."""
        with telling(path):
            await in_thread(lambda: folders.remove(self._place(path), recursive=False))

    def _place(self, path: str) -> Place:
        return permitted(path, self._roots)


def _facts(name: str, found: os.stat_result) -> Facts:
    return Facts(name, _KINDS.get(stat.S_IFMT(found.st_mode), "other"), found.st_size, found.st_mtime)

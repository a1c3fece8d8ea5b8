"""The files of one call: what its input names, and what is made of it."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Collection
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from taskyard.domain.outcome import MadeFile
from taskyard.domain.upload import UploadedFile
from taskyard.errors import CallFailed, ValidationFailed
from taskyard.executors.integration.disk import telling_disk

FindUploads = Callable[[list[str]], Awaitable[dict[str, UploadedFile]]]
SaveFile = Callable[[MadeFile, str], Awaitable[str]]


class FileStore(NamedTuple):
    """Where files are: `find` gives those behind upload ids, `save` keeps one for its owner and gives its upload id.
    `folder` is for files of calls under way; `most_bytes` one may have to be kept.
    """

    find: FindUploads
    save: SaveFile
    folder: Path
    most_bytes: int


class Attached:
    """See the contract of `Files`. `ids`: what may be read; `owner`: whose the results are."""

    def __init__(self, store: FileStore, ids: Collection[str], owner: str) -> None:
        self._store = store
        self._ids = ids
        self._owner = owner

    @cached_property
    def folder(self) -> Path:
        """See the contract."""
        with telling_disk():
            self._store.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return Path(tempfile.mkdtemp(dir=self._store.folder))

    async def read(self, upload_id: str) -> UploadedFile:
        """See the contract."""
        found = await self._store.find([upload_id]) if upload_id in self._ids else {}
        if upload_id not in found:
            raise ValidationFailed(
                f"the task's input names no uploaded file {upload_id[:64]!r}: give its field the format upload"
                " in the definition's inputSchema"
            )
        return found[upload_id]

    async def keep(self, path: Path, name: str) -> dict[str, Any]:
        """See the contract."""
        with telling_disk():
            size = (await asyncio.to_thread(path.stat)).st_size
        if size > self._store.most_bytes:
            raise CallFailed(
                f"{name[:200]} has {size} bytes, and {self._store.most_bytes} can be kept as a result; have it written"
                " to a folder instead",
                reason="too-large",
                retryable=False,
            )
        with telling_disk():
            content = await asyncio.to_thread(path.read_bytes)
        return await self.keep_bytes(content, name)

    async def keep_bytes(self, content: bytes, name: str) -> dict[str, Any]:
        """The same for a content."""
        upload_id = await self._store.save(MadeFile(name, content), self._owner)
        sha256 = hashlib.sha256(content).hexdigest()
        return {"uploadId": upload_id, "name": name, "size": len(content), "sha256": sha256}

    async def remove(self) -> None:
        """Remove the folder, if there was need of one."""
        if "folder" in self.__dict__:
            await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)

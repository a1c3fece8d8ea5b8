"""What a file transfer does, whatever the protocol."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import fnmatch
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from taskyard.contracts.integration import Answer, Call, OperationFailed
from taskyard.errors import ValidationFailed
from taskyard.executors.integration.disk import telling_disk
from taskyard.executors.integration.files.far import Facts, Far, below
from taskyard.executors.integration.files.faults import missing
from taskyard.executors.integration.files.near import (
    InFolder,
    Landing,
    Source,
    Target,
    in_thread,
    open_place,
    permitted,
)
from taskyard.executors.integration.files.shapes import FileOperation
from taskyard.executors.integration.house import House
from taskyard.executors.integration.shape import fill, single_name
from taskyard.security import folders

_DIGEST: Final = 64


class Transfer:
    """One operation, its texts filled from the input."""

    def __init__(self, operation: FileOperation, folder: str, call: Call, house: House) -> None:
        self._asked, self._call, self._house = operation, call, house
        self._folder = folder
        self._given = {name: fill(getattr(operation, name), call.input, single_name) for name in ("path", "to")}
        self._file = fill(operation.file, call.input, single_name)
        self._sha256 = fill(operation.sha256, call.input).lower()
        if self._sha256 and (len(self._sha256) != _DIGEST or not self._sha256.isalnum()):
            raise ValidationFailed("operation: sha256 must be 64 hex digits")

    async def carry_out(self, far: Far) -> Answer:
        """The answer. See the contract for what it raises."""
        match self._asked.action:
            case "upload":
                return await self._upload(far)
            case "download":
                return await self._download(far)
            case "list":
                return await self._list(far)
            case "move":
                return await self._move(far)
        return await self._delete(far)

    async def _upload(self, far: Far) -> Answer:
        path = self._path("path")
        async with self._source() as source:
            if self._sha256:
                self._compare(await source.digest())
            draft = _name_of(path, self._call.key, source.mark)
            try:
                resumed = await far.upload(path, source, draft, replace=self._asked.replace, resume=self._asked.resume)
            except OperationFailed as failed:
                if failed.error_code != "FILE_EXISTS" or not await self._is_there(far, path, source):
                    raise
                resumed = source.size
        if self._asked.verify and await _digest(far, path, await _facts(far, path)) != source.sha256:
            raise OperationFailed(f"{path} is not what was sent when it is read back", reason="checksum")
        output = {
            "status": "uploaded",
            "path": path,
            "size": source.size,
            "sha256": source.sha256,
            "resumedAt": resumed,
        }
        return Answer("uploaded", output, bytes_out=source.size - resumed)

    async def _is_there(self, far: Far, path: str, source: Source) -> bool:
        """Whether all of it is there: an earlier attempt may have ended before that was known."""
        facts = await _facts(far, path)
        if facts.kind != "file" or facts.size != source.size:
            return False
        return await _digest(far, path, facts) == await source.digest()

    async def _download(self, far: Far) -> Answer:
        path = self._path("path")
        facts = await _facts(far, path)
        if facts.kind == "folder":
            raise OperationFailed(f"{path} is a folder; list it, or name a file in it", retryable=False)
        if self._file:
            place = permitted(self._file, self._house.folders)
            draft = f".{_name_of(path, self._call.key, facts.mark or f'{facts.size}-{facts.modified}')}.partial"
            landing = folders.resuming(place, draft, replace=self._asked.replace)
            target = await self._receive(far, path, facts, landing, place.root)
            output: dict[str, Any] = {"file": str(place)}
        else:
            self._fits(facts)
            kept = self._call.files.folder / "download"
            target = await self._receive(far, path, facts, InFolder(kept), kept.parent)
            output = {"file": await self._call.files.keep(kept, PurePosixPath(path).name)}
        output |= {"path": path, "size": target.done, "sha256": target.sha256, "resumedAt": target.resumed}
        return Answer("downloaded", {"status": "downloaded", **output}, bytes_in=target.done - target.resumed)

    async def _receive(self, far: Far, path: str, facts: Facts, landing: Landing, folder: str | Path) -> Target:
        label = self._file or path
        asked = self._asked
        async with Target(landing, label, folder, facts.size, self._call.progress, resume=asked.resume) as target:
            if facts.size is None or target.done < facts.size:
                await self._fill(target, far.read(path, target.done, facts))
            if facts.size is not None and target.done != facts.size:
                raise OperationFailed(f"only {target.done} of {facts.size} bytes of {path} came", reason="broken")
            if self._sha256 and target.sha256 != self._sha256:
                await target.drop()
            self._compare(target.sha256)
        return target

    async def _fill(self, target: Target, arriving: AsyncGenerator[bytes, None]) -> None:
        async with contextlib.aclosing(arriving) as pieces:
            async for piece in pieces:
                await target.write(piece)
                if not self._file and target.come > self._house.most_bytes:
                    raise _too_large(self._house.most_bytes)
        await target.flush()

    def _fits(self, facts: Facts) -> None:
        if facts.size is not None and facts.size > self._house.most_bytes:
            raise _too_large(self._house.most_bytes)

    async def _list(self, far: Far) -> Answer:
        found: list[dict[str, Any]] = []
        truncated = False
        path = below(self._folder, self._given["path"])
        async with contextlib.aclosing(far.entries(path)) as entries:
            async for facts in entries:
                if fnmatch.fnmatchcase(facts.name, self._asked.pattern):
                    truncated = len(found) == self._asked.max_entries
                    if truncated:
                        break
                    found.append(facts.told())
        found.sort(key=lambda entry: entry["name"])
        return Answer("listed", {"path": path, "entries": found, "truncated": truncated})

    async def _move(self, far: Far) -> Answer:
        path, to = self._path("path"), self._path("to")
        await far.move(path, to, replace=self._asked.replace)
        return Answer("moved", {"status": "moved", "path": path, "to": to})

    async def _delete(self, far: Far) -> Answer:
        path = self._path("path")
        try:
            await far.delete(path)
        except OperationFailed as failed:
            if failed.reason != "missing" or not self._asked.missing_ok:
                raise
            return Answer("missing", {"status": "missing", "path": path})
        return Answer("deleted", {"status": "deleted", "path": path})

    @contextlib.asynccontextmanager
    async def _source(self) -> AsyncIterator[Source]:
        """What the operation's `file` names, or the body: an upload's id, or an object with one or with `content`."""
        mark = ""
        if self._file:
            place = permitted(self._file, self._house.folders)
            file = await in_thread(lambda: open_place(place))
        else:
            body = {"uploadId": self._call.body} if isinstance(self._call.body, str) else self._call.body
            path, mark = await self._body(body if isinstance(body, Mapping) else {})
            with telling_disk():
                file = await in_thread(lambda: path.open("rb"))
        source = await in_thread(lambda: Source(file, self._call.progress, mark))
        try:
            yield source
        finally:
            await source.close()

    async def _body(self, body: Mapping[str, Any]) -> tuple[Path, str]:
        """A file with the body's content, and what stands for that content."""
        upload_id, content = body.get("uploadId"), body.get("content")
        if isinstance(upload_id, str) and content is None:
            given = await self._call.files.read(upload_id)
            if given.path is None:
                raise ValidationFailed("the uploaded file cannot be read here")
            return given.path, given.sha256
        if isinstance(content, str) and upload_id is None:
            decoded = _content(content, body.get("encoding", "utf-8"))
            path = self._call.files.folder / "upload"
            with telling_disk():
                await asyncio.to_thread(path.write_bytes, decoded)
            return path, hashlib.sha256(decoded).hexdigest()
        raise ValidationFailed(
            "the body of an upload is an upload's id, or an object with `uploadId` or `content`; or the operation"
            " names a `file`"
        )

    def _compare(self, sha256: str) -> None:
        if self._sha256 and sha256 != self._sha256:
            raise OperationFailed(
                f"the content's SHA-256 is {sha256}, not {self._sha256}", reason="checksum", counts=False
            )

    def _path(self, which: str) -> str:
        """A path that must be given: what changes something never means the connection's folder itself."""
        if not self._given[which].strip("/"):
            raise ValidationFailed(f"operation: {self._asked.action} needs {which}")
        return below(self._folder, self._given[which])


async def _facts(far: Far, path: str) -> Facts:
    facts = await far.facts(path)
    if facts is None:
        raise missing(path)
    return facts


async def _digest(far: Far, path: str, facts: Facts) -> str:
    digest = hashlib.sha256()
    async with contextlib.aclosing(far.read(path, 0, facts)) as pieces:
        async for piece in pieces:
            await asyncio.to_thread(digest.update, piece)
    return digest.hexdigest()


def _name_of(path: str, key: str, mark: str) -> str:
    """One name for this content's way there, whatever the attempt."""
    return hashlib.sha256(f"{path}\0{key}\0{mark}".encode()).hexdigest()[:24]


def _content(text: str, encoding: Any) -> bytes:
    try:
        if encoding == "base64":
            return base64.b64decode(text, validate=True)
        if encoding == "utf-8":
            return text.encode()
    except ValueError:
        raise ValidationFailed("the body's content is not what its encoding says") from None
    raise ValidationFailed("the body's encoding must be utf-8 or base64")


def _too_large(most_bytes: int) -> OperationFailed:
    return OperationFailed(
        f"the file has more than {most_bytes} bytes; download it to a permitted folder, with `file`",
        reason="too-large",
        retryable=False,
    )

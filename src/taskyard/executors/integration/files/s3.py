"""S3, and what speaks its protocol. An object appears whole by nature; large ones are sent in parts."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import itertools
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any, Final

from botocore.exceptions import ClientError

from taskyard.contracts.integration import OperationFailed
from taskyard.executors.integration import aws
from taskyard.executors.integration.files.far import Facts, checked
from taskyard.executors.integration.files.faults import exists, missing
from taskyard.executors.integration.files.near import Source
from taskyard.executors.integration.files.shapes import FileSecrets, FileSettings
from taskyard.executors.integration.house import House

_PART: Final = 8 << 20
_MOST_PARTS: Final = 10_000
_AT_ONCE: Final = 2
"""Parts under way, up or down; each is held in memory."""
_READ: Final = 1 << 20
_MOST_COPIED: Final = 5 << 30
_MISSING: Final = {"404", "NoSuchKey", "NotFound"}
_GONE: Final = {"InvalidPart", "NoSuchUpload"}
"""Another call has completed or ended the upload."""
_CHANGED: Final = {"412", "PreconditionFailed", "ConditionalRequestConflict"}


class S3Host:
    """See the protocol. One client a link."""

    def __init__(self, settings: FileSettings, secrets: FileSecrets, house: House) -> None:
        settings.need("bucket")
        self._settings, self._secrets, self._house = settings, secrets, house
        self._stack = contextlib.AsyncExitStack()
        self._opening = asyncio.Lock()
        self._client: Any = None
        self.label = settings.bucket

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[S3Far]:
        """See the protocol."""
        settings = self._settings
        async with self._opening:
            if self._client is None:
                self._client = await self._stack.enter_async_context(
                    aws.client(
                        "s3", settings.region, settings.endpoint, self._secrets, self._house, settings.authorities,
                        s3={"addressing_style": "path" if settings.endpoint else "auto"},
                        request_checksum_calculation="when_required",
                        response_checksum_validation="when_required",
                    )
                )  # fmt: skip
        yield S3Far(self._client, settings.bucket)

    async def close(self) -> None:
        """See the protocol."""
        self._client = None
        await self._stack.aclose()


class S3Far:
    """See the protocol."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client, self._bucket = client, bucket

    async def facts(self, path: str) -> Facts | None:
        """See the protocol."""
        with _telling(path):
            try:
                found = await self._client.head_object(Bucket=self._bucket, Key=_key(path))
            except ClientError as error:
                if aws.code_of(error) in _MISSING:
                    return None
                raise
        modified = found["LastModified"].timestamp()
        return Facts(path.rpartition("/")[2], "file", found["ContentLength"], modified, found["ETag"])

    async def entries(self, path: str) -> AsyncGenerator[Facts, None]:
        """See the protocol. What keys have in common up to a slash is told as a folder."""
        prefix = f"{_key(path).rstrip('/')}/" if _key(path) else ""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=prefix, Delimiter="/"
        )
        with _telling(path):
            async for page in pages:
                for folder in page.get("CommonPrefixes", ()):
                    yield Facts(checked(folder["Prefix"].removeprefix(prefix).removesuffix("/"), path), "folder")
                for found in page.get("Contents", ()):
                    if found["Key"] != prefix:
                        name = checked(found["Key"].removeprefix(prefix), path)
                        yield Facts(name, "file", found["Size"], found["LastModified"].timestamp(), found["ETag"])

    async def read(self, path: str, offset: int, facts: Facts) -> AsyncGenerator[bytes, None]:
        """See the protocol. An object that has changed meanwhile is not read on. While one part is used, the next come:
        what sums and writes them costs the transfer no time.
        """
        starts = iter(range(offset, facts.size or 0, _PART))
        coming = deque(self._coming(path, start, facts) for start in itertools.islice(starts, _AT_ONCE))
        try:
            with _telling(path, reading=True):
                while coming:
                    pieces = await coming.popleft()
                    coming += [self._coming(path, start, facts) for start in itertools.islice(starts, 1)]
                    for piece in pieces:
                        yield piece
        finally:
            for part in coming:
                part.cancel()
            await asyncio.gather(*coming, return_exceptions=True)

    async def upload(self, path: str, source: Source, draft: str, *, replace: bool, resume: bool) -> int:
        """See the protocol. Parts that are there already are compared with ours by their MD5, which is their tag."""
        del draft
        unless = {} if replace else {"IfNoneMatch": "*"}
        if not replace and await self.facts(path) is not None:
            raise exists(path)
        with _telling(path):
            if source.size <= _PART:
                content = b"".join([piece async for piece in source.pieces(0, _PART)])
                await self._client.put_object(
                    Bucket=self._bucket, Key=_key(path), Body=content, ContentMD5=_md5(content)[1], **unless
                )
                return 0
            return await self._upload_parts(_key(path), source, unless, resume=resume)

    async def move(self, path: str, to: str, *, replace: bool) -> None:
        """See the protocol: copied by the other side, then deleted."""
        if not replace and await self.facts(to) is not None:
            raise exists(to)
        facts = await self.facts(path)
        if facts is None:
            raise missing(path)
        if facts.size is not None and facts.size > _MOST_COPIED:
            raise OperationFailed("S3 copies no object of more than 5 GiB; download and upload it", retryable=False)
        with _telling(path):
            origin = {"Bucket": self._bucket, "Key": _key(path)}
            await self._client.copy_object(Bucket=self._bucket, Key=_key(to), CopySource=origin)
            await self._client.delete_object(Bucket=self._bucket, Key=_key(path))

    async def delete(self, path: str) -> None:
        """See the protocol. S3 does not say whether there was anything."""
        if await self.facts(path) is None:
            raise missing(path)
        with _telling(path):
            await self._client.delete_object(Bucket=self._bucket, Key=_key(path))

    def _coming(self, path: str, start: int, facts: Facts) -> asyncio.Task[list[bytes]]:
        """The part of an object that begins there, on its way."""

        size = min(_PART, (facts.size or 0) - start)

        async def come() -> list[bytes]:
            answer = await self._client.get_object(
                Bucket=self._bucket, Key=_key(path), IfMatch=facts.mark, Range=f"bytes={start}-{start + size - 1}"
            )
            pieces, left = [], size
            async with answer["Body"] as body:
                while left >= 0 and (piece := await body.read(_READ)):
                    pieces.append(piece)
                    left -= len(piece)
            if left:  # what follows would be put in the wrong place
                raise OperationFailed(f"{path}: the other side sends other parts than were asked for", reason="broken")
            return pieces

        return asyncio.create_task(come())

    async def _upload_parts(self, key: str, source: Source, unless: dict[str, str], *, resume: bool) -> int:
        size = max(_PART, -(-source.size // _MOST_PARTS))
        upload_id, there = await self._begun(key) if resume else ("", {})
        if not upload_id:
            made = await self._client.create_multipart_upload(Bucket=self._bucket, Key=key)
            upload_id = made["UploadId"]
        parts = _Parts(self._client, {"Bucket": self._bucket, "Key": key, "UploadId": upload_id}, there)
        try:
            async with contextlib.aclosing(source.pieces(0, size)) as pieces:
                async for piece in pieces:
                    await parts.put(piece)
            tags = await parts.all_put()
        except BaseException:
            await parts.stop()
            raise
        await self._client.complete_multipart_upload(
            Bucket=self._bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": tags}, **unless
        )
        return parts.resumed

    async def _begun(self, key: str) -> tuple[str, dict[int, str]]:
        """The latest upload of the object that was not completed, and the tags of its parts."""
        answer = await self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=key)
        begun = [one for one in answer.get("Uploads", ()) if one["Key"] == key]
        if not begun:
            return "", {}
        upload_id = max(begun, key=lambda one: one["Initiated"])["UploadId"]
        there: dict[int, str] = {}
        pages = self._client.get_paginator("list_parts").paginate(Bucket=self._bucket, Key=key, UploadId=upload_id)
        async for page in pages:
            there |= {part["PartNumber"]: part["ETag"] for part in page.get("Parts", ())}
        return upload_id, there


class _Parts:
    """Parts on their way, some at once."""

    def __init__(self, client: Any, upload: dict[str, str], there: dict[int, str]) -> None:
        self._client, self._upload, self._there = client, upload, there
        self._running: set[asyncio.Task[None]] = set()
        self._tags: dict[int, str] = {}
        self._count = 0
        self.resumed = 0

    async def put(self, piece: bytes) -> None:
        """Begin with the next part, as soon as there is room for it. Raises what any part has."""
        self._count += 1
        while len(self._running) >= _AT_ONCE:
            await self._some(asyncio.FIRST_COMPLETED)
        self._running.add(asyncio.create_task(self._put(self._count, piece)))

    async def all_put(self) -> list[dict[str, Any]]:
        """The tags, once all are there."""
        while self._running:
            await self._some(asyncio.ALL_COMPLETED)
        return [{"PartNumber": number, "ETag": self._tags[number]} for number in sorted(self._tags)]

    async def stop(self) -> None:
        """End those under way."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _some(self, when: str) -> None:
        done, self._running = await asyncio.wait(self._running, return_when=when)
        for failure in [task.exception() for task in done]:  # each is heard, though one is told
            if failure is not None:
                raise failure

    async def _put(self, number: int, piece: bytes) -> None:
        tag, checksum = await asyncio.to_thread(_md5, piece)
        if self._there.get(number, "").strip('"') == tag:
            self._tags[number] = self._there[number]
            self.resumed += len(piece)
            return
        answer = await self._client.upload_part(**self._upload, PartNumber=number, Body=piece, ContentMD5=checksum)
        self._tags[number] = answer["ETag"]


def _md5(content: bytes) -> tuple[str, str]:
    """In hex, as tags have it, and in base64, as S3 compares it with what arrived. It proves nothing more."""
    digest = hashlib.md5(content, usedforsecurity=False)
    return digest.hexdigest(), base64.b64encode(digest.digest()).decode()


def _key(path: str) -> str:
    return path.strip("/")


@contextlib.contextmanager
def _telling(path: str, *, reading: bool = False) -> Iterator[None]:
    try:
        with aws.telling(path):
            yield
    except OperationFailed as failed:
        code = (failed.details or {}).get("code", "")
        if code in _MISSING:
            raise missing(path) from None
        if code in _GONE or (code in _CHANGED and reading):
            raise OperationFailed(
                f"{path} was changed by somebody else meanwhile; the same call may succeed later",
                reason="changed",
                counts=False,
            ) from None
        if code in _CHANGED:
            raise exists(path) from None
        raise

"""Bodies of several parts (RFC 7578), files among them, in pieces."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from taskyard.contracts.integration import Files
from taskyard.domain.upload import UploadedFile
from taskyard.errors import ValidationFailed

_PIECE = 1 << 16


async def multipart(fields: Mapping[str, Any], files: Files) -> tuple[AsyncIterator[bytes], str, int]:
    """The body's pieces, its media type and size; a field that is `{"file": uploadId}` is that file."""
    boundary = secrets.token_hex(16)
    parts: list[bytes | UploadedFile] = []
    for name, value in fields.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict) and "file" in each:
                file = await files.read(str(each["file"]))
                named = f'; filename="{_quoted(file.name)}"\r\ncontent-type: application/octet-stream'
                parts += [_head(boundary, name, named), file, b"\r\n"]
            elif each is not None:
                text = each if isinstance(each, str) else msgspec.json.encode(each).decode()
                parts.append(_head(boundary, name, "") + text.encode() + b"\r\n")
    parts.append(f"--{boundary}--\r\n".encode())
    size = sum(part.size if isinstance(part, UploadedFile) else len(part) for part in parts)
    return _pieces(parts), f"multipart/form-data; boundary={boundary}", size


async def streamed(file: UploadedFile) -> AsyncIterator[bytes]:
    """A file's content in pieces."""
    if file.path is None:
        raise ValidationFailed(f"the file {file.upload_id} cannot be read here")
    with await asyncio.to_thread(file.path.open, "rb") as stream:
        while piece := await asyncio.to_thread(stream.read, _PIECE):
            yield piece


async def _pieces(parts: list[bytes | UploadedFile]) -> AsyncIterator[bytes]:
    for part in parts:
        if isinstance(part, UploadedFile):
            async for piece in streamed(part):
                yield piece
        else:
            yield part


def _head(boundary: str, name: str, more: str) -> bytes:
    return f'--{boundary}\r\ncontent-disposition: form-data; name="{_quoted(name)}"{more}\r\n\r\n'.encode()


def _quoted(text: str) -> str:
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")

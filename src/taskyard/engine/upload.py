"""Upload: files that tasks take as input."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from pathlib import Path

from taskyard.contracts.records import Upload
from taskyard.domain.text import printable
from taskyard.domain.upload import UploadedFile
from taskyard.engine.engine import Engine

_NAME_LENGTH = 255


async def save_upload(engine: Engine, name: str, content: bytes) -> Upload:
    """Keep a file; its name is only ever shown, never a path."""
    shown = printable(name.replace("\\", "/").rsplit("/", 1)[-1])[:_NAME_LENGTH] or "file"
    upload = Upload(
        secrets.token_urlsafe(18), shown, len(content), hashlib.sha256(content).hexdigest(), await engine.store.now()
    )
    await engine.store.save_upload(upload, content)
    return upload


async def open_uploads(engine: Engine, ids: Sequence[str], folder: Path) -> dict[str, UploadedFile]:
    """The files behind these ids, each written below `folder` where it can be read; unknown ids are left out."""
    files = {}
    for id_ in ids:
        found = await engine.store.upload(id_)
        if found is not None:
            upload, content = found
            path = await asyncio.to_thread(_write, folder, upload.sha256, content)
            files[id_] = UploadedFile(upload.id, upload.name, upload.size, upload.sha256, path)
    return files


def _write(folder: Path, name: str, content: bytes) -> Path:
    """The content as a file; half-written ones are never seen under its name."""
    path = folder / name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{secrets.token_hex(4)}")
        part.write_bytes(content)
        part.replace(path)
    return path

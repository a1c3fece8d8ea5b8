"""Upload: files that tasks take as input."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from taskyard.contracts.records import Upload
from taskyard.domain.json import detail, refusal
from taskyard.domain.media import UNKNOWN, media_type
from taskyard.domain.schema import Validator
from taskyard.domain.text import printable
from taskyard.domain.upload import UploadedFile
from taskyard.engine.engine import Engine
from taskyard.security.caller import Caller

_NAME_LENGTH = 255
_UNUSED_US = 24 * 3600 * 1_000_000
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


async def save_upload(
    engine: Engine, name: str, content: bytes, caller: Caller, declared: str = UNKNOWN, *, used: bool = False
) -> Upload:
    """Keep a caller's file; its name is only ever shown, never a path. What nobody uses within a day is forgotten.

    `declared`: the media type it is said to be. Raises ValidationFailed for content that is something else.
    """
    shown = printable(name.replace("\\", "/").rsplit("/", 1)[-1])[:_NAME_LENGTH] or "file"
    try:
        type_ = media_type(shown, declared, content)
    except ValueError as error:
        raise refusal([detail("/file", str(error), "contentMediaType")]) from None
    upload = Upload(
        secrets.token_urlsafe(18),
        shown,
        len(content),
        hashlib.sha256(content).hexdigest(),
        await engine.store.now(),
        caller.subject,
        type_,
    )
    await engine.store.save_upload(upload, content, used=used)
    return upload


async def find_uploads(engine: Engine, ids: Collection[str]) -> list[Upload]:
    """The files behind these ids, which somebody is about to use; unknown ids are left out."""
    asked = [id_ for id_ in ids if _ID.fullmatch(id_)]
    return await engine.store.uploads(asked) if asked else []


async def forget_unused(engine: Engine) -> int:
    """Forget the files that nobody has used within a day; how many."""
    return await engine.store.forget_unused(await engine.store.now() - _UNUSED_US)


async def check_value(engine: Engine, validator: Validator, value: Any, caller: Caller, prefix: str) -> None:
    """Raise ValidationFailed unless `value` fits and the files it names are the caller's to use.

    Services act for others, and so may use the files of all.
    """
    validator.check(value, prefix)
    if validator.takes_uploads:
        await check_uploads(engine, validator, value, caller, prefix)


async def check_uploads(engine: Engine, validator: Validator, value: Any, caller: Caller, prefix: str) -> None:
    """Raise ValidationFailed unless the files that `value` names are the caller's to use."""
    found = await find_uploads(engine, validator.upload_ids(value))
    uses_all = caller.allows("service")
    validator.check_uploads(value, {each.id for each in found if uses_all or each.owner == caller.subject}, prefix)


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

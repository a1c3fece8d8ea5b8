"""Upload: files that tasks take as input."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import secrets
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import msgspec

from taskyard.contracts.records import Upload
from taskyard.domain.facts import Extra
from taskyard.domain.forms.start import input_schema
from taskyard.domain.json import detail, refusal
from taskyard.domain.media import UNKNOWN, media_type
from taskyard.domain.people.document import askers_of, read_extra
from taskyard.domain.schema import Validator, compile_schema
from taskyard.domain.text import printable
from taskyard.domain.upload import UploadedFile
from taskyard.engine.engine import Engine
from taskyard.engine.query import Known
from taskyard.security.caller import RESERVED_SUBJECTS, Caller

_NAME_LENGTH = 255
_UNUSED_US = 24 * 3600 * 1_000_000
_KEPT_SECONDS = 48 * 3600.0
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


May = Callable[[Upload], bool]
"""Whether a file may be used."""


def nothing(file: Upload) -> bool:
    """No file."""
    del file
    return False


def among(ids: Collection[str]) -> May:
    """The files with these ids."""
    return lambda file: file.id in ids


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


async def check_value(
    engine: Engine, validator: Validator, value: Any, caller: Caller, prefix: str, also: May = nothing
) -> None:
    """Raise ValidationFailed unless `value` fits and the files it names may be used."""
    validator.check(value, prefix)
    await check_uploads(engine, validator, value, caller, prefix, also)


async def check_uploads(
    engine: Engine, validator: Validator, value: Any, caller: Caller, prefix: str, also: May = nothing
) -> list[Upload]:
    """Raise ValidationFailed unless the files that `value` names are the caller's to use, or those of `also`; which.

    Services act for others, and so may use the files of all.
    """
    if not validator.takes_uploads:
        return []
    found = await find_uploads(engine, validator.upload_ids(value))
    uses_all = caller.allows("service")
    usable = {each.id for each in found if uses_all or each.owner == caller.subject or also(each)}
    validator.check_uploads(value, usable, prefix)
    return found


def files_given(known: Known) -> May:
    """The files that a task was given, and those of who asked for it: what may be in its result.

    On whose behalf they say they asked gives nobody a file.
    """
    body, schema = known.facts.body, input_schema(known.kind.definition)
    named = named_files(schema, msgspec.json.decode(body.input)) if schema is not None else set()
    owner = requester(read_extra(body.extra))
    return lambda file: file.id in named or file.owner == owner


def requester(extra: Extra) -> str | None:
    """Who really asked: the caller of the task, or of the one that asked for it; None for this installation."""
    return next((name for name in askers_of(extra) if name not in RESERVED_SUBJECTS), None)


def named_files(schema: dict[str, Any] | None, value: Any) -> set[str]:
    """The ids that stand in a value where the schema wants files."""
    validator = None if schema is None else compile_schema(schema)
    return validator.upload_ids(value) if validator is not None and validator.takes_uploads else set()


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
    """The content as a file; half-written ones are never seen under its name. Whoever writes one more removes those
    that nobody has opened for long: their worker may have died.
    """
    path = folder / name
    try:
        os.utime(path)
    except FileNotFoundError:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sweep(folder, time.time() - _KEPT_SECONDS)
        part = path.with_suffix(f".{secrets.token_hex(4)}")
        part.write_bytes(content)
        part.replace(path)
    return path


def _sweep(folder: Path, before: float) -> None:
    for each in folder.iterdir():
        with contextlib.suppress(OSError):  # another worker may be quicker
            if each.stat().st_mtime < before:
                each.unlink()

"""Files that tasks take as input, or make; who may see a task may read its files."""

from __future__ import annotations

import hashlib
from typing import NamedTuple
from urllib.parse import quote

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer
from taskyard.api.bodies import check_media_type, stream_body
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.visibility import see
from taskyard.contracts.records import Upload
from taskyard.domain.json import detail, pointer, refusal
from taskyard.engine.people.forms import has_file
from taskyard.engine.upload import save_upload
from taskyard.errors import Malformed, NotFound

routes = Routes("Uploads")

MULTIPART = "multipart/form-data"
_BYTES = "application/octet-stream"
_CONTENT = {"schema": {"type": "string", "format": "binary"}}
_MOST_FIELDS = 10
_LONGEST_FIELD = 4096
_SAID = frozenset({"size", "sha256"})


@routes.add("POST /api/v1/uploads", media=MULTIPART, body=schemas.FILE, answers={201: schemas.UploadAnswer})
async def upload_file(call: Call) -> Response:
    """Take one file. What is said of it, its media type, and in fields of their own its `size` and `sha256`, has to be
    true. Unused, it is forgotten after a day.
    """
    file = await read_file(call)
    upload = await save_upload(call.engine, file.name, file.content, call.caller, file.media_type)
    told = {"uploadId": upload.id, "name": upload.name, "size": upload.size, "sha256": upload.sha256}
    return answer(told | {"mediaType": upload.media_type}, 201)


@routes.add("GET /api/v1/uploads/{uploadId}", answers={200: {_BYTES: _CONTENT}})
async def read_upload(call: Call) -> Response:
    """A file that the caller has handed over, or that one of their tasks has made. Services see all."""
    upload_id = call.param("uploadId")
    found = await call.engine.store.upload(upload_id)
    if found is None or not (call.caller.allows("service") or found[0].owner == call.caller.subject):
        raise NotFound(f"there is no upload {upload_id!r}")
    return _answer_file(*found)


@routes.add("GET /api/v1/tasks/{taskId}/uploads/{uploadId}", answers={200: {_BYTES: _CONTENT}})
async def read_task_upload(call: Call) -> Response:
    """A file of a task: of its input, its result or its draft, or attached to it."""
    known = await see(call.engine, call.caller, call.task_id())
    upload_id = call.param("uploadId")
    found = await call.engine.store.upload(upload_id) if await has_file(call.engine, known, upload_id) else None
    if found is None:
        raise NotFound(f"task {known.facts.body.id} has no file {upload_id!r}")
    return _answer_file(*found)


def _answer_file(upload: Upload, content: bytes) -> Response:
    headers = {
        "content-disposition": f"attachment; filename*=UTF-8''{quote(upload.name)}",
        "x-content-type-options": "nosniff",
        "etag": f'"{upload.sha256}"',
    }
    return Response(content, media_type=_BYTES, headers=headers)


class Received(NamedTuple):
    """A file as it came, with the media type it is said to have."""

    name: str
    content: bytes
    media_type: str


async def read_file(call: Call) -> Received:
    """The one file. Raises Malformed, ValidationFailed, PayloadTooLarge."""
    check_media_type(call.headers, MULTIPART)
    stream = stream_body(call.headers, call.receive, call.services.max_large_body)
    parser = MultiPartParser(call.headers, stream, max_files=1, max_fields=_MOST_FIELDS, max_part_size=_LONGEST_FIELD)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError) as error:
        raise Malformed(f"The form cannot be read: {error}.") from None
    try:
        fields = form.multi_items()
        said = {name: value for name, value in fields if isinstance(value, str)}
        if unknown := said.keys() - _SAID:
            raise refusal([detail(pointer([name]), "is not a known field", "additionalProperties") for name in unknown])
        for _, value in fields:
            if isinstance(value, UploadFile):
                content = await value.read()
                _check_said(said, content)
                return Received(value.filename or "", content, value.content_type or "")
    finally:
        await form.close()
    raise refusal([detail("/file", "is required", "required")])


def _check_said(said: dict[str, str], content: bytes) -> None:
    """Raise ValidationFailed where the file is not what was said of it."""
    true = {"size": str(len(content)), "sha256": hashlib.sha256(content).hexdigest()}
    wrong = [
        detail(pointer([name]), f"is not that of the file that came: {true[name]}", "const")
        for name, value in said.items()
        if value.lower() != true[name]
    ]
    if wrong:
        raise refusal(wrong)

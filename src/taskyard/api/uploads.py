"""Files that tasks take as input, or make."""

from __future__ import annotations

from urllib.parse import quote

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer
from taskyard.api.bodies import check_media_type, stream_body
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.domain.json import detail, pointer, refusal
from taskyard.engine.upload import save_upload
from taskyard.errors import Malformed, NotFound

routes = Routes("Uploads")

MULTIPART = "multipart/form-data"
_BYTES = "application/octet-stream"
_CONTENT = {"schema": {"type": "string", "format": "binary"}}
_MOST_FIELDS = 10
_LONGEST_FIELD = 4096


@routes.add("POST /api/v1/uploads", media=MULTIPART, body=schemas.FILE, answers={201: schemas.UploadAnswer})
async def upload_file(call: Call) -> Response:
    """Take one file."""
    name, content = await read_file(call)
    upload = await save_upload(call.engine, name, content, call.caller)
    return answer({"uploadId": upload.id, "name": upload.name, "size": upload.size, "sha256": upload.sha256}, 201)


@routes.add(
    "GET /api/v1/uploads/{uploadId}", answers={200: {_BYTES: {"schema": {"type": "string", "format": "binary"}}}}
)
async def read_upload(call: Call) -> Response:
    """A file that the caller has handed over, or that one of their tasks has made. Services see all."""
    upload_id = call.param("uploadId")
    found = await call.engine.store.upload(upload_id)
    if found is None or not (call.caller.allows("service") or found[0].owner == call.caller.subject):
        raise NotFound(f"there is no upload {upload_id!r}")
    upload, content = found
    headers = {
        "content-disposition": f"attachment; filename*=UTF-8''{quote(upload.name)}",
        "x-content-type-options": "nosniff",
        "etag": f'"{upload.sha256}"',
    }
    return Response(content, media_type=_BYTES, headers=headers)


async def read_file(call: Call) -> tuple[str, bytes]:
    """The one file's name and content. Raises Malformed, ValidationFailed, PayloadTooLarge."""
    check_media_type(call.headers, MULTIPART)
    stream = stream_body(call.headers, call.receive, call.services.max_large_body)
    parser = MultiPartParser(call.headers, stream, max_files=1, max_fields=_MOST_FIELDS, max_part_size=_LONGEST_FIELD)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError) as error:
        raise Malformed(f"The form cannot be read: {error}.") from None
    try:
        fields = form.multi_items()
        unknown = [name for name, value in fields if not isinstance(value, UploadFile)]
        if unknown:
            raise refusal([detail(pointer([name]), "is not a known field", "additionalProperties") for name in unknown])
        for _, value in fields:
            if isinstance(value, UploadFile):
                return value.filename or "", await value.read()
    finally:
        await form.close()
    raise refusal([detail("/file", "is required", "required")])

"""A file that somebody handed over: in JSON the upload's id, in a handler what is known about the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

UPLOADS = "uploads"


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """An uploaded file; `size` in bytes, `sha256` in hex, `path` where this process can read it."""

    upload_id: str
    name: str = ""
    size: int = 0
    sha256: str = ""
    path: Path | None = None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read from an upload id, looked up in the validation context under `UPLOADS`; write as that id."""
        return core_schema.with_info_plain_validator_function(
            _look_up, serialization=core_schema.plain_serializer_function_ser_schema(_upload_id)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The schema of the id, by which a form knows that a file is wanted."""
        return {"type": "string", "format": "upload"}


class NamedUploads(dict[str, UploadedFile]):
    """Stands in for the uploads there are: takes every id that is asked for and remembers it as a key."""

    def __missing__(self, upload_id: str) -> UploadedFile:
        return self.setdefault(upload_id, UploadedFile(upload_id))


def _look_up(value: Any, info: ValidationInfo) -> UploadedFile:
    if isinstance(value, UploadedFile):
        return value
    if not isinstance(value, str):
        raise ValueError("an upload id is a string")  # noqa: TRY004  # Pydantic reports only ValueError
    uploads: Mapping[str, UploadedFile] = (info.context or {}).get(UPLOADS, NamedUploads())
    try:
        return uploads[value]
    except KeyError:
        raise ValueError("there is no such upload") from None


def _upload_id(file: Any) -> Any:
    return file.upload_id if isinstance(file, UploadedFile) else file

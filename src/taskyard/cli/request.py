"""The create body that a command line means."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, NamedTuple

from taskyard.cli.access import Access, Json
from taskyard.cli.fields import assignments_of, fields_of, read_input, upload_names
from taskyard.engine.request import request_schema
from taskyard.errors import ConfigurationError, ValidationFailed


class Given(NamedTuple):
    """What stands on the command line: the key, `--input`, each `--option`, and the rest, which are fields."""

    key: str
    input: str | None
    options: list[str]
    fields: list[str]


async def create_body(access: Access, given: Given) -> Json:
    """The create body, its input typed by the definition's schema; files are handed over on the way.

    Raises ValidationFailed, NotFound, Malformed, ConfigurationError.
    """
    if given.key.startswith("-"):
        raise ValidationFailed(f"name the task before its fields: KEY {given.key} …")
    if given.input is not None and given.fields:
        raise ValidationFailed(f"give the input either by --input or by fields such as {given.fields[0]}, not both")
    body: Json = {"taskDefinitionId": given.key}
    if given.input is not None:
        body["input"] = await asyncio.to_thread(read_input, given.input)
    elif given.fields:
        schema = (await access.definition(given.key)).get("inputSchema")
        body["input"] = await _with_uploads(access, fields_of(given.fields, schema), upload_names(schema))
    return body | assignments_of(given.options, _options_schema())


def _options_schema() -> Json:
    """The create body's schema, resolved to the object that it is."""
    schema = request_schema()
    definitions = schema["$defs"]
    return {**definitions["TaskRequest"], "$defs": definitions}


async def _with_uploads(access: Access, fields: Json, names: set[str]) -> Json:
    """The fields with the files that `@path` names handed over; their values become the uploads' ids."""
    for name in names & fields.keys():
        value = fields[name]
        if isinstance(value, list):
            fields[name] = [await _upload(access, one) for one in value]
        else:
            fields[name] = await _upload(access, value)
    return fields


async def _upload(access: Access, value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith("@"):
        return value
    path = Path(value[1:])
    if not path.is_file():  # noqa: ASYNC240 - a look at a local file
        raise ConfigurationError(f"there is no file {path} to hand over")
    return await access.upload(path)

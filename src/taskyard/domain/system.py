"""The system functions: their names, what they take and give, and what permissions they ask for.

What stands here is the one description of each: schemas, forms, the reference and the checks follow from it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

JsonObject = dict[str, Any]

_Path = Annotated[str, Meta(pattern="^/", max_length=4096, description="An absolute path.")]
_Url = Annotated[str, Meta(pattern="^https?://", max_length=8192)]
_Bytes = Annotated[int, Meta(ge=1, le=1 << 30)]
_Encoding = Literal["utf-8", "base64"]
_Address = Annotated[str, Meta(pattern=r"^[^@\s,;<>]+@[^@\s,;<>]+$", max_length=254)]
_Algorithm = Literal["sha256", "sha512", "sha1", "md5", "blake2b"]


class _Struct(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class Fetch(_Struct, frozen=True):
    """`json` or `body` (text) is sent; `maxRedirects` are followed. A status of 400 or more fails the task."""

    url: _Url
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    headers: dict[str, str] = {}
    json: Any = None
    body: str | None = None
    fail_on_status: bool = True
    max_bytes: _Bytes = 1 << 19
    max_redirects: Annotated[int, Meta(ge=0, le=10)] = 0


class Fetched(_Struct, frozen=True):
    """`body` is parsed JSON, text, or base64 for what is neither, as `encoding` says."""

    status: int
    headers: dict[str, str]
    body: Any
    encoding: Literal["json", "utf-8", "base64"]


class Attachment(_Struct, frozen=True):
    """A file of a message, its content in base64."""

    name: Annotated[str, Meta(min_length=1, max_length=255)]
    content: str
    content_type: Annotated[str, Meta(pattern=r"^[\w.+-]+/[\w.+-]+$")] = "application/octet-stream"


class Send(_Struct, frozen=True):
    """A message; each recipient has to be permitted."""

    to: Annotated[list[_Address], Meta(min_length=1, max_length=100)]
    subject: Annotated[str, Meta(max_length=998)]
    text: str
    cc: Annotated[list[_Address], Meta(max_length=100)] = []
    bcc: Annotated[list[_Address], Meta(max_length=100)] = []
    html: str | None = None
    reply_to: _Address | None = None
    attachments: Annotated[list[Attachment], Meta(max_length=20)] = []


class Sent(_Struct, frozen=True):
    """`messageId` is the same in each attempt; `refused` names recipients that the server would not take, and why."""

    message_id: str
    refused: dict[str, str]


class ReadFile(_Struct, frozen=True):
    """Which file, and how its content comes."""

    path: _Path
    encoding: _Encoding = "utf-8"
    max_bytes: _Bytes = 1 << 19


class FileContent(_Struct, frozen=True):
    """`size` in bytes."""

    content: str
    size: int
    sha256: str


class WriteFile(_Struct, frozen=True):
    """`replace` false: refuse where something is already."""

    path: _Path
    content: str
    encoding: _Encoding = "utf-8"
    replace: bool = True


class FileFacts(_Struct, frozen=True):
    """`size` in bytes."""

    path: str
    size: int
    sha256: str


class ListFiles(_Struct, frozen=True):
    """`pattern` is matched against names, as a shell does."""

    path: _Path
    pattern: str = "*"
    recursive: bool = False
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1000


class Listed(_Struct, frozen=True):
    """`truncated`: there was more than the limit."""

    entries: list[JsonObject]
    truncated: bool


class MoveFile(_Struct, frozen=True):
    """From one place to another; `replace` false: refuse where something is already."""

    source: _Path
    target: _Path
    replace: bool = False


class DeleteFile(_Struct, frozen=True):
    """`recursive` for folders that are not empty; `missingOk` for what may be gone already, as in a second attempt."""

    path: _Path
    recursive: bool = False
    missing_ok: bool = True


class Deleted(_Struct, frozen=True):
    """How many files and folders are gone."""

    deleted: int


class Checksum(_Struct, frozen=True):
    """Which file, by which algorithm."""

    path: _Path
    algorithm: _Algorithm = "sha256"


class Digest(_Struct, frozen=True):
    """`size` in bytes, `digest` in hex."""

    digest: str
    size: int


class CreateArchive(_Struct, frozen=True):
    """All below the folder `source` goes into the file `target`."""

    source: _Path
    target: _Path
    format: Literal["zip", "tar", "tar.gz"] = "zip"
    replace: bool = True


class ExtractArchive(_Struct, frozen=True):
    """`target` is made, and must not be there; nothing is left of an archive that is refused. Sizes in bytes."""

    source: _Path
    target: _Path
    max_entries: Annotated[int, Meta(ge=1, le=100_000)] = 10_000
    max_bytes: Annotated[int, Meta(ge=1, le=1 << 40)] = 1 << 30


class Extracted(_Struct, frozen=True):
    """What came out; `size` in bytes."""

    entries: int
    size: int


class Render(_Struct, frozen=True):
    """A Jinja2 template and its values. `html`: values are escaped."""

    template: Annotated[str, Meta(max_length=1 << 18)]
    values: JsonObject = {}
    html: bool = False


class Rendered(_Struct, frozen=True):
    """The text."""

    text: str


class Run(_Struct, frozen=True):
    """`command` is the whole path of a permitted program; no shell reads the arguments."""

    command: _Path
    arguments: Annotated[list[Annotated[str, Meta(max_length=131_072)]], Meta(max_length=1000)] = []
    input: str = ""
    ok_codes: tuple[int, ...] = (0,)


class Ran(_Struct, frozen=True):
    """What the program said, at most 256 KiB of each."""

    exit_code: int
    stdout: str
    stderr: str


class Query(_Struct, frozen=True):
    """`statement` takes `:name` parameters; nothing else is put into it."""

    database: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]+$", max_length=64)]
    statement: Annotated[str, Meta(min_length=1, max_length=1 << 16)]
    parameters: JsonObject = {}
    max_rows: Annotated[int, Meta(ge=1, le=100_000)] = 1000


class Rows(_Struct, frozen=True):
    """`truncated`: there were more rows than `maxRows`."""

    rows: list[JsonObject]
    truncated: bool


class Execute(_Struct, frozen=True):
    """As a query; with `expectedUpdateCount` nothing changes where another number of rows would."""

    database: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]+$", max_length=64)]
    statement: Annotated[str, Meta(min_length=1, max_length=1 << 16)]
    parameters: JsonObject = {}
    expected_update_count: Annotated[int, Meta(ge=0)] | None = None


class Updated(_Struct, frozen=True):
    """How many rows changed."""

    update_count: int


class Wait(_Struct, frozen=True):
    """Until the moment `at` (ISO-8601), or until so many seconds after the task was created; not both."""

    at: Annotated[str, Meta(extra_json_schema={"format": "date-time"})] | None = None
    seconds: Annotated[float, Meta(ge=0, le=366 * 86_400)] | None = None


class Waited(_Struct, frozen=True):
    """The moment it waited for."""

    at: str


class SystemFunction(NamedTuple):
    """One system function; `permissions` are the areas it asks in."""

    name: str
    title: str
    takes: type[msgspec.Struct]
    gives: type[msgspec.Struct]
    permissions: tuple[str, ...]
    says: str

    @property
    def input_schema(self) -> JsonObject:
        """What it takes."""
        return _schema(self.takes)

    @property
    def output_schema(self) -> JsonObject:
        """What it gives."""
        return _schema(self.gives)


def _schema(struct: type[msgspec.Struct]) -> JsonObject:
    """The struct's JSON Schema with itself at the root, so that forms find its properties."""
    schema = msgspec.json.schema(struct)
    definitions = schema.pop("$defs")
    own = definitions.pop(struct.__name__)
    own.pop("title", None)
    return {**own, **({"$defs": definitions} if definitions else {})}


SYSTEM_FUNCTIONS = {
    function.name: function
    for function in (
        SystemFunction("http.fetch", "Fetch over HTTP", Fetch, Fetched, ("http",),
                       "Makes one request, by the rules for calls that leave. A retry sends the same Idempotency-Key."),
        SystemFunction("mail.send", "Send mail", Send, Sent, ("mail",),
                       "Hands a message to the server of TASKYARD_SMTP_URL."),
        SystemFunction("files.read", "Read a file", ReadFile, FileContent, ("files:read",), "Gives a file's content."),
        SystemFunction("files.write", "Write a file", WriteFile, FileFacts, ("files:write",),
                       "Writes a file; it appears whole or not at all."),
        SystemFunction("files.list", "List files", ListFiles, Listed, ("files:read",), "Tells what is in a folder."),
        SystemFunction("files.copy", "Copy a file", MoveFile, FileFacts, ("files:read", "files:write"),
                       "Copies a file; the copy appears whole or not at all."),
        SystemFunction("files.move", "Move a file", MoveFile, FileFacts, ("files:read", "files:write"),
                       "Moves a file, which has to be readable, and writable in both places."),
        SystemFunction("files.delete", "Delete files", DeleteFile, Deleted, ("files:write",),
                       "Deletes a file or folder."),
        SystemFunction("files.checksum", "Checksum", Checksum, Digest, ("files:read",), "Sums up a file's content."),
        SystemFunction("archive.create", "Pack an archive", CreateArchive, FileFacts, ("files:read", "files:write"),
                       "Packs a folder's files; links are left out."),
        SystemFunction("archive.extract", "Unpack an archive", ExtractArchive, Extracted,
                       ("files:read", "files:write"),
                       "Unpacks zip, tar and tar.gz. Refuses paths that lead out, links, devices and bombs."),
        SystemFunction("template.render", "Render a template", Render, Rendered, (),
                       "Renders Jinja2 in a sandboxed process: 5 s of CPU, 256 MiB, 1 MiB of text."),
        SystemFunction("command.run", "Run a command", Run, Ran, ("command",),
                       "Runs a permitted program, without a shell, with an empty environment, in a folder of its own."),
        SystemFunction("sql.query", "Query a database", Query, Rows, ("sql:read",),
                       "Reads from a database of TASKYARD_SYSTEM_DATABASES, or over a connection of type database,"
                       " in a transaction that cannot write."),
        SystemFunction("sql.execute", "Change a database", Execute, Updated, ("sql:write",),
                       "Executes one statement in a transaction of its own."),
        SystemFunction("wait.until", "Wait", Wait, Waited, (), "Waits for a moment, and holds no worker meanwhile."),
    )
}  # fmt: skip
"""Every system function, by name."""

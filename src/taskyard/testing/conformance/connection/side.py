"""The other side as the suite sees it: a connection type, and a system that is there for it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import itertools
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from taskyard.contracts.integration import Call, ConnectionType, Link, OpenConnection
from taskyard.domain.upload import UploadedFile
from taskyard.errors import ValidationFailed

CANARY = "canary-7f3a9c51-secret"
"""A secret that must be found nowhere."""

_keys = itertools.count(1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Side:
    """A type, and what leads to a system of its sort. `operation` with `input` succeeds there, and may be repeated.

    `wrong_secrets` are refused; `nowhere` are settings that lead to nobody; `refused` is an operation that the system
    refuses for good; `unsound` one that does not fit the schema. What a type has not is None. `secrets` should hold
    `CANARY`.
    """

    type: ConnectionType
    settings: Mapping[str, Any]
    secrets: Mapping[str, str] = dataclasses.field(default_factory=dict)
    operation: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    input: Any = None
    wrong_secrets: Mapping[str, str] | None = None
    nowhere: Mapping[str, Any] | None = None
    refused: Mapping[str, Any] | None = None
    unsound: Mapping[str, Any] | None = None

    @contextlib.asynccontextmanager
    async def link(
        self, *, settings: Mapping[str, Any] | None = None, secrets: Mapping[str, str] | None = None
    ) -> AsyncIterator[Link]:
        """An open link; closed in the end."""
        made = await self.type.open(
            OpenConnection("side", 1, settings or self.settings, self.secrets if secrets is None else secrets)
        )
        try:
            yield made
        finally:
            await made.close()


class Kept:
    """Files of a call, kept in a folder. `given`: uploads that may be read."""

    def __init__(self, folder: Path, given: Mapping[str, bytes] | None = None) -> None:
        self.folder = folder
        self.kept: dict[str, bytes] = {}
        self._given = given or {}

    async def read(self, upload_id: str) -> UploadedFile:
        """See the contract."""
        if upload_id not in self._given:
            raise ValidationFailed(f"there is no upload {upload_id!r}")
        content, path = self._given[upload_id], self.folder / f"given-{upload_id}"
        await asyncio.to_thread(path.write_bytes, content)
        return UploadedFile(upload_id, f"{upload_id}.bin", len(content), hashlib.sha256(content).hexdigest(), path)

    async def keep(self, path: Path, name: str) -> dict[str, Any]:
        """See the contract."""
        content = await asyncio.to_thread(path.read_bytes)
        id_ = f"kept-{len(self.kept)}"
        self.kept[id_] = content
        sha256 = hashlib.sha256(content).hexdigest()
        return {"uploadId": id_, "name": name, "size": len(content), "sha256": sha256}


def call_of(operation: Mapping[str, Any], input: Any = None, **more: Any) -> Call:
    """A call of one more task, whose input is the body unless another is given."""
    files = more.pop("files", None) or Kept(Path(tempfile.mkdtemp(prefix="taskyard-side-")))
    call = Call(
        operation=operation, body=input, input=input, deadline=10.0, key=f"taskyard-{next(_keys)}", files=files,
        progress=lambda current, total: None,
    )  # fmt: skip
    return call._replace(**more)

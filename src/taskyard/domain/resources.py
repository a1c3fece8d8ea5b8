"""What code that is not ours may use up."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

_Positive = Annotated[float, Meta(gt=0)]
_Count = Annotated[int, Meta(ge=1)]


class ResourcePatch(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """A definition's limits; what is missing is the service's to say."""

    cpu_seconds: _Positive | None = None
    wall_seconds: _Positive | None = None
    memory_mb: _Count | None = None
    output_bytes: _Count | None = None
    disk_mb: _Count | None = None
    processes: _Count | None = None


class Resources(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The limits of one call. Memory, disk and output are in MiB, MiB and bytes.

    `cpu_seconds` and `wall_seconds` are in seconds; `wall_seconds` None leaves it to the attempt's timeout.
    `output_bytes` bounds all that a call says and returns, `disk_mb` its temporary folder,
    `processes` those that a shell script may have at once.
    """

    cpu_seconds: _Positive = 60.0
    wall_seconds: _Positive | None = None
    memory_mb: _Count = 256
    output_bytes: _Count = 4 << 20
    disk_mb: _Count = 64
    processes: _Count = 32

    def patched(self, patch: ResourcePatch | None) -> Resources:
        """These limits with those of a definition in their place."""
        given: dict[str, Any] = {} if patch is None else msgspec.structs.asdict(patch)
        return msgspec.structs.replace(self, **{name: value for name, value in given.items() if value is not None})

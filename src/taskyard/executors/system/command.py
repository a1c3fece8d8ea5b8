"""Running an allow-listed command."""

from __future__ import annotations

from taskyard.domain import system
from taskyard.domain.permission import normal_path
from taskyard.domain.text import printable
from taskyard.errors import ValidationFailed
from taskyard.executors.system.children import run_program
from taskyard.executors.system.failure import FunctionFailed
from taskyard.executors.system.grants import Grants

_MOST_BYTES = 1 << 18
_TAIL = 4096


async def run_command(asked: system.Run, grants: Grants) -> system.Ran:
    """See the registry."""
    if normal_path(asked.command) is None:
        raise ValidationFailed(f"{asked.command!r} is no whole path; give it from / on, without . and ..")
    grants.need("command", asked.command)
    if any("\0" in argument for argument in asked.arguments):
        raise ValidationFailed("an argument has a NUL")
    ended = await run_program([asked.command, *asked.arguments], asked.input.encode(), _MOST_BYTES)
    stdout, stderr = (text.decode("utf-8", "replace").replace("\0", "\ufffd") for text in (ended.stdout, ended.stderr))
    if ended.exit_code not in asked.ok_codes:
        raise FunctionFailed(
            f"{asked.command} ended with {ended.exit_code}: {printable(stderr[-200:]).strip()}",
            details={"exitCode": ended.exit_code, "stdout": stdout[-_TAIL:], "stderr": stderr[-_TAIL:]},
        )
    return system.Ran(ended.exit_code, stdout, stderr)

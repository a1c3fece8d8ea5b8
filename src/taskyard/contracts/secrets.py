"""The secret source: where the secrets of connections may be kept besides here, such as a vault.

A source outside this package is found by the entry point `taskyard.secret_sources`; its name is what stands before the
colon of `{"from": "vault:path/to/it"}`. It is made once a process, without arguments, and reads its own configuration.
"""

from __future__ import annotations

from typing import Protocol


class SecretSource(Protocol):
    """A place that keeps secrets."""

    async def value(self, name: str) -> str:
        """The secret of this name, as it is now; what was fetched may be kept for a while.

        Raises LookupError, its text saying what to do, where there is none; OSError or TimeoutError where it could not
        be asked.
        """

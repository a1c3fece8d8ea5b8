"""Where the secrets of connections are kept that are not kept here: the environment, files, sources of others."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from taskyard.contracts.secrets import SecretSource
from taskyard.errors import CallFailed, ConfigurationError
from taskyard.security.secrets import NoSecret, Secrets

GROUP: Final = "taskyard.secret_sources"
_SECONDS = 10.0


class SecretSources:
    """Resolves `env:NAME` among the variables that the operator lets connections name, `file:name` among those files
    of `files` that are `named`, and what other packages know by their names.
    """

    def __init__(self, environment: Mapping[str, str], files: Secrets, named: Collection[str]) -> None:
        self._environment = environment
        self._files = files
        self._named = named
        self._others: dict[str, SecretSource] = {}

    async def value(self, reference: str) -> str:
        """The secret's value now. Raises ConfigurationError where there is none, CallFailed where nobody answered."""
        source, _, name = reference.partition(":")
        try:
            if source == "env":
                return self._variable(name)
            if source == "file":
                return await asyncio.to_thread(self._file, name)
            async with asyncio.timeout(_SECONDS):
                return await self._other(source).value(name)
        except (LookupError, NoSecret) as error:
            raise ConfigurationError(f"the secret {reference} cannot be had: {error}") from None
        except (OSError, TimeoutError) as error:
            raise CallFailed(f"the secret {reference} cannot be had: {error or 'no answer'}", reason="secret") from None

    def _variable(self, name: str) -> str:
        if not self._environment.get(name):
            raise NoSecret("set the variable, and name it in TASKYARD_CONNECTION_ENV")
        return self._environment[name]

    def _file(self, name: str) -> str:
        if name not in self._named:
            raise NoSecret("put the file into TASKYARD_SECRETS_DIR, and name it in TASKYARD_CONNECTION_FILES")
        return self._files.value(name)

    def _other(self, name: str) -> SecretSource:
        if name not in self._others:
            if name not in self._points:
                known = ", ".join(sorted({"env", "file", *self._points}))
                raise NoSecret(f"{name!r} is no source of secrets here; there are {known}")
            made: SecretSource = self._points[name].load()()
            self._others[name] = made
        return self._others[name]

    @cached_property
    def _points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=GROUP)}

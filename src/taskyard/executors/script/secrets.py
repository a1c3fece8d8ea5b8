"""Secrets in the environment of scripts: put in when the code starts, and kept out of all that is said of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from taskyard.contracts.target import Call, Observer, Target
from taskyard.domain.implementation import SCRIPT_KINDS, SECRET_NAME
from taskyard.domain.outcome import Done, Failed, Report, TaskError
from taskyard.executors.script.sandbox.text import CUT

_LONGEST = 65_536
_SHORTEST = 6
_MASK = "***"
_MAY_BE_CUT = 16_384
_PIECES = re.compile(rf"[^\n{CUT}]+")


class NoSecret(Exception):
    """There is no such secret, or it cannot be used; the message says what to do."""


class Secrets:
    """Secrets by name: those `given`, then those that are files in `folder` (as Docker and Kubernetes mount them)."""

    def __init__(self, given: Mapping[str, str], folder: Path | None) -> None:
        self._given = given
        self._folder = folder

    def value(self, name: str) -> str:
        """The secret's value. Raises NoSecret."""
        value = self._given.get(name)
        if value is None:
            value = self._read(name)
        if not _SHORTEST <= len(value) <= _LONGEST or "\0" in value:
            what = f"the secret {name!r} has no length from {_SHORTEST} to {_LONGEST}, or holds a NUL"
            raise NoSecret(f"{what}; shorter ones could not be kept out of logs")
        return value

    def _read(self, name: str) -> str:
        mend = "the operator gives it in TASKYARD_SECRETS, or as a file in TASKYARD_SECRETS_DIR"
        if self._folder is None or not SECRET_NAME.fullmatch(name):
            raise NoSecret(f"there is no secret {name!r}; {mend}")
        try:
            with (self._folder / name).open("rb") as stream:
                data = stream.read(_LONGEST * 4 + 1)
            return data.decode().removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
            raise NoSecret(f"there is no secret {name!r} ({why}); {mend}") from None


async def run_with_secrets(target: Target, call: Call, observer: Observer, secrets: Secrets) -> Report:
    """Run the call, with values where its `env` names secrets; they are masked in whatever it says and gives."""
    env = (call.implementation.get("env") or {}) if call.kind in SCRIPT_KINDS else {}
    named = {name: str(value["secret"]) for name, value in env.items() if isinstance(value, dict)}
    if not named:
        return await target.run(call, observer)
    try:
        values = {name: await asyncio.to_thread(secrets.value, secret) for name, secret in named.items()}
    except NoSecret as error:
        return Failed(TaskError("SANDBOX_UNAVAILABLE", str(error)))
    mask = Mask(values.values())
    given = {**call.implementation, "env": {**env, **values}}
    return mask.report(await target.run(call._replace(implementation=given), _Masked(observer, mask)))


class Mask:
    """Hides values, and the longer lines of those that have several."""

    def __init__(self, values: Iterable[str]) -> None:
        parts = {part for value in values for part in (value, *value.splitlines()) if len(part) >= _SHORTEST}
        self._parts = sorted(parts, key=len, reverse=True)

    def text(self, text: str) -> str:
        """The text without them."""
        for part in self._parts:
            text = text.replace(part, _MASK)
        return text

    def value(self, value: Any) -> Any:
        """A JSON value without them, names included."""
        return _changed(value, lambda text: self.said(text) if len(text) >= _MAY_BE_CUT else self.text(text))

    def said(self, text: str) -> str:
        """The text without them, nor what is left of them where one of its lines was cut."""
        return _PIECES.sub(lambda found: self._uncut(found[0]), self.text(text))

    def _uncut(self, line: str) -> str:
        for part in self._parts:
            if len(line) >= _SHORTEST and line in part:
                return _MASK
            line = _without_start_of(part, _without_end_of(part, line))
        return line

    def report(self, report: Report) -> Report:
        """What is reported, without them."""
        if isinstance(report, Done):
            return Done(self.value(report.value), tuple(self.value(list(report.warnings))), report.files)
        if isinstance(report, Failed):
            error = report.error
            stack = None if error.stack_trace is None else self.said(error.stack_trace)
            code, message, details = self.text(error.code), self.said(error.message), _changed(error.details, self.said)
            return Failed(TaskError(code, message, details, stack, error.retryable), report.delay)
        return report


class _Masked:
    """Passes on what a call says, without the secrets."""

    def __init__(self, observer: Observer, mask: Mask) -> None:
        self._observer = observer
        self._mask = mask
        self.placed = observer.placed

    def log(self, level: str, text: str) -> None:
        self._observer.log(level, self._mask.said(text))

    def progress(self, current: float, total: float | None, action: str | None) -> None:
        self._observer.progress(current, total, None if action is None else self._mask.said(action))


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with each text changed, names included."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_changed(item, change) for item in value]
    if isinstance(value, dict):
        return {change(name): _changed(item, change) for name, item in value.items()}
    return value


def _without_end_of(secret: str, line: str) -> str:
    """The line without the end of a secret that it begins with."""
    begins, at = line[:_SHORTEST], max(1, len(secret) - len(line))
    while (at := secret.find(begins, at)) >= 0 and len(begins) == _SHORTEST:
        if line.startswith(secret[at:]):
            return _MASK + line[len(secret) - at :]
        at += 1
    return line


def _without_start_of(secret: str, line: str) -> str:
    """The line without the beginning of a secret that it ends with."""
    ends, at = line[-_SHORTEST:], min(len(secret) - 1, len(line))
    while (at := secret.rfind(ends, 0, at)) >= 0 and len(ends) == _SHORTEST:
        if line.endswith(secret[: at + _SHORTEST]):
            return line[: -at - _SHORTEST] + _MASK
        at += _SHORTEST - 1
    return line

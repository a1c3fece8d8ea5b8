"""Hiding secrets in what is said: in texts, values and reports."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, quote_plus

from taskyard.domain.outcome import Done, Failed, Postponed, Report, TaskError
from taskyard.domain.text import CUT

SHORTEST = 6
"""Characters a secret must have to be hidden; shorter ones would hide too much else."""

_MASK = "***"
_MAY_BE_CUT = 16_384
_PIECES = re.compile(rf"[^\n{CUT}]+")


def spellings(value: str) -> set[str]:
    """A value as it may be written: also in addresses, in JSON, and as base64."""
    encoded = base64.b64encode(value.encode()).decode()
    as_json = {json.dumps(value, ensure_ascii=ascii_alone)[1:-1] for ascii_alone in (True, False)}
    return {value, quote(value, safe=""), quote_plus(value), *as_json, encoded}


class Mask:
    """Hides values, and the longer lines of those that have several."""

    def __init__(self, values: Iterable[str]) -> None:
        parts = {part for value in values for part in (value, *value.splitlines()) if len(part) >= SHORTEST}
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
            if len(line) >= SHORTEST and line in part:
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
        if isinstance(report, Postponed) and report.reason is not None:
            return Postponed(report.delay, self.said(report.reason), report.circuit)
        return report


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
    begins, at = line[:SHORTEST], max(1, len(secret) - len(line))
    while (at := secret.find(begins, at)) >= 0 and len(begins) == SHORTEST:
        if line.startswith(secret[at:]):
            return _MASK + line[len(secret) - at :]
        at += 1
    return line


def _without_start_of(secret: str, line: str) -> str:
    """The line without the beginning of a secret that it ends with."""
    ends, at = line[-SHORTEST:], min(len(secret) - 1, len(line))
    while (at := secret.rfind(ends, 0, at)) >= 0 and len(ends) == SHORTEST:
        if line.endswith(secret[: at + SHORTEST]):
            return line[: -at - SHORTEST] + _MASK
        at += SHORTEST - 1
    return line

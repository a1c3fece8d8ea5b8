"""Settings: the only reader of the environment. Environment before file (`taskyard.toml`) before default."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from taskyard.errors import ConfigurationError
from taskyard.settings.table import CONNECTORS, SETTINGS, Setting

__all__ = ["CONNECTORS", "FILE", "SETTINGS", "Setting", "Settings", "Value", "load"]

FILE = "taskyard.toml"
_BY_NAME = {setting.name: setting for setting in SETTINGS}


class Value(NamedTuple):
    """A setting's value and where it comes from: `environment`, the file's name, or `default`."""

    value: Any
    source: str


class Settings:
    """All settings, read once. `settings["TASK_TIMEOUT"]`."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> Any:
        return self._values[name].value

    def is_given(self, name: str) -> bool:
        """Whether somebody has set it, be it to its default."""
        return self._values[name].source != "default"

    def items(self) -> list[tuple[Setting, Value]]:
        """Every setting with its value and source, in the order of the documentation."""
        return [(setting, self._values[setting.name]) for setting in SETTINGS]

    def with_values(self, **changes: Any) -> Settings:
        """A copy in which these settings are given by the program."""
        return Settings(self._values | {name: Value(value, "program") for name, value in changes.items()})


def load(environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Settings:
    """Read the settings. Raises ConfigurationError naming the setting, its source and the mend."""
    environment = os.environ if environment is None else environment
    file = (folder or Path()) / FILE
    from_file = _read_file(file)
    return Settings({s.name: _value(s, environment, from_file, str(file)) for s in SETTINGS})


def _read_file(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        values = tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}") from None
    unknown = sorted(values.keys() - _BY_NAME.keys())
    if unknown:
        raise ConfigurationError(f"{file} has unknown settings {', '.join(unknown)}; see `taskyard settings`")
    return values


def _value(setting: Setting, environment: Mapping[str, str], from_file: Mapping[str, Any], file: str) -> Value:
    text, source = environment.get(setting.name), "environment"
    if not text and setting.name in from_file:
        raw = from_file[setting.name]
        text, source = raw if isinstance(raw, str) else msgspec.json.encode(raw).decode(), file
    if not text:
        return Value(setting.default, "default")
    try:
        return Value(setting.read(text), source)
    except (ValueError, msgspec.MsgspecError) as error:
        shown = "its value" if setting.secret else repr(text)
        raise ConfigurationError(f"{setting.name} ({source}): {shown} {_reason(error)}") from None


def _reason(error: Exception) -> str:
    text = str(error)
    return text if text.startswith("must") else f"cannot be read: {text}"

"""Secrets, as far as they may be shown."""

from __future__ import annotations

import re
from typing import Any, Final

from taskyard.settings import Setting, Settings

_MASK: Final = "********"
_CREDENTIALS: Final = re.compile(r"://.*@", re.DOTALL)
_QUERY: Final = re.compile(r"[?#].+", re.DOTALL)


def shown(settings: Settings) -> list[dict[str, Any]]:
    """All settings with value, source and help, of every address without its credentials."""
    return [
        {"name": setting.name, "value": masked(setting, value), "source": source, "help": setting.help}
        for setting, (value, source) in settings.items()
    ]


def masked(setting: Setting, value: Any) -> Any:
    """The setting's value as it may be shown: of an address all but its credentials, of other secrets only the names
    that they have.
    """
    if not setting.secret:
        return _without_credentials(value)
    if not value:
        return ""
    if isinstance(value, dict):
        return dict.fromkeys(value, _MASK)
    return mask_credentials(value) if isinstance(value, str) and "://" in value else _MASK


def _without_credentials(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_credentials(each) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return [_without_credentials(each) for each in value]
    return mask_credentials(value) if isinstance(value, str) and "://" in value else value


def mask_credentials(url: str) -> str:
    """The address without what may be secret in it: all that stands before its host (of a token it is the user), its
    query and its fragment. It is not parsed, for a password that is not escaped would be parsed as something else.
    """
    return _QUERY.sub(lambda found: found[0][0] + _MASK, _CREDENTIALS.sub(f"://{_MASK}@", url), count=1)

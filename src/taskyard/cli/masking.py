"""Secrets, as far as they may be shown."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from taskyard.settings import Setting

_MASK = "********"


def masked(setting: Setting, value: Any) -> Any:
    """The setting's value as it may be shown: of an address all but its password, of other secrets nothing."""
    if not setting.secret:
        return list(value) if isinstance(value, tuple) else value
    if not value:
        return ""
    text = str(value)
    return mask_password(text) if "://" in text else _MASK


def mask_password(url: str) -> str:
    """The address without its password, which may also stand in the query."""
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        return _MASK
    if parts.query:
        parts = parts._replace(query=_MASK)
    if password is not None:
        user, _, host = parts.netloc.rpartition("@")
        parts = parts._replace(netloc=f"{user.partition(':')[0]}:{_MASK}@{host}")
    return parts.geturl()

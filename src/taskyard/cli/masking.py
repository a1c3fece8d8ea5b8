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
        has_password = parts.password is not None
    except ValueError:
        return _MASK
    if has_password:
        credentials, _, host = parts.netloc.rpartition("@")
        url = url.replace(parts.netloc, f"{credentials.partition(':')[0]}:{_MASK}@{host}", 1)
    return url.replace(f"?{parts.query}", f"?{_MASK}") if parts.query else url

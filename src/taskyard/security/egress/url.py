"""The addresses of calls, as the client reads them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from taskyard.errors import EgressRefused

if TYPE_CHECKING:
    import httpx

_HOST = re.compile(rb"[A-Za-z0-9._:-]+")
_SCHEMES = frozenset({"http", "https"})


def parse_url(url: str) -> httpx.URL:
    """The URL as the client reads it. Raises EgressRefused for one that is not plain http or https."""
    import httpx  # loaded with the first call, as with `Egress`

    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, TypeError, ValueError) as error:
        raise EgressRefused(f"this is no URL: {error}") from None
    if parts.scheme not in _SCHEMES or not parts.host:
        raise EgressRefused("a URL must begin with http:// or https:// and name a host")
    if not _HOST.fullmatch(parts.raw_host) or not 0 < (parts.port or 1) < 65_536:
        raise EgressRefused("a URL must name a host and a port as they are written in names and addresses")
    if parts.userinfo:
        raise EgressRefused("a URL must not carry a user name or password; give them as a credential")
    return parts

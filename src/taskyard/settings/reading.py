"""How the texts of settings are read. Each raises ValueError for what it cannot read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from taskyard.domain.isolation import TIERS
from taskyard.domain.permission import parse_permission
from taskyard.domain.resources import ResourcePatch
from taskyard.domain.retry import RetryPolicy
from taskyard.security.caller import SCOPES
from taskyard.security.egress.rules import check_entry


def boolean(text: str) -> bool:
    """A truth, as people write it."""
    known = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    if text.strip().lower() not in known:
        raise ValueError("must be true or false")
    return known[text.strip().lower()]


def positive_int(text: str) -> int:
    """A whole number of 1 or more."""
    return _whole(text, 1, None, "must be a whole number of 1 or more")


def port(text: str) -> int:
    """A port to listen on; 0 for any that is free."""
    if text.startswith("tcp://"):
        raise ValueError(
            "must be a port; Kubernetes sets it for a service of this name unless enableServiceLinks: false"
        )
    return _whole(text, 0, 65_535, "must be a whole number between 0 and 65535")


def _whole(text: str, least: int, most: int | None, wanted: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise ValueError(wanted) from None
    if number < least or (most is not None and number > most):
        raise ValueError(wanted)
    return number


def seconds(text: str) -> float:
    """A number of 0 or more."""
    wanted = "must be a number of 0 or more"
    try:
        number = float(text)
    except ValueError:
        raise ValueError(wanted) from None
    if not 0 <= number < float("inf"):
        raise ValueError(wanted)
    return number


def one_of(*choices: str) -> Callable[[str], str]:
    """One of these words."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text

    return read


def retry_policy(text: str) -> dict[str, Any]:
    """A retry policy in JSON."""
    msgspec.json.decode(text, type=RetryPolicy)
    return dict(msgspec.json.decode(text))


def resources(text: str) -> dict[str, Any]:
    """Limits of resources in JSON."""
    msgspec.json.decode(text, type=ResourcePatch)
    return dict(msgspec.json.decode(text))


def comma_list(text: str) -> tuple[str, ...]:
    """What stands between commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def networks_and_hosts(text: str) -> tuple[str, ...]:
    """Networks and hosts, separated by commas."""
    return tuple(check_entry(entry) for entry in comma_list(text))


def permissions(text: str) -> tuple[str, ...]:
    """Permissions of system functions, separated by commas."""
    return tuple(str(parse_permission(entry)) for entry in comma_list(text))


def addresses(text: str) -> dict[str, str]:
    """Texts by name, in JSON."""
    return msgspec.json.decode(text, type=dict[str, str])


def tiers(text: str) -> tuple[str, ...]:
    """Tiers of the sandbox, separated by commas."""
    tiers = comma_list(text)
    if not tiers or set(tiers) - set(TIERS):
        raise ValueError(f"must name one or more of {', '.join(TIERS)}, separated by commas")
    return tiers


def registry(text: str) -> str:
    """An address without a name and a password: code is shown it."""
    if "@" in text or not (text == "none" or text.startswith(("http://", "https://"))):
        raise ValueError("must be an address without user and password, or none")
    return text


def topics(text: str) -> tuple[str, ...]:
    """Topics, separated by commas; - for none."""
    return () if text.strip() == "-" else comma_list(text)


def scopes(text: str) -> tuple[str, ...]:
    """Scopes, separated by commas."""
    named = comma_list(text)
    if not SCOPES.issuperset(named):
        raise ValueError(f"must be some of {', '.join(sorted(SCOPES))}")
    return named


def rights(text: str) -> dict[str, list[str]]:
    """The scopes of groups, in JSON."""
    read = msgspec.json.decode(text, type=dict[str, list[str]])
    if not all(SCOPES.issuperset(scopes) for scopes in read.values()):
        raise ValueError(f"must give groups some of {', '.join(sorted(SCOPES))}")
    return read


def trace_url(text: str) -> str:
    """An address of the web with `{traceId}` in it."""
    if not text.startswith(("http://", "https://")) or "{traceId}" not in text:
        raise ValueError("must be an http or https address with {traceId} in it")
    return text

"""What a connection may be told."""

from typing import Any

import msgspec
import pytest

from taskyard.domain.connection import Connection, ConnectionLimits, SecretFrom, check_connection
from taskyard.errors import ValidationFailed

SETTINGS = {"type": "object", "properties": {"url": {"type": "string"}}, "additionalProperties": False}
SECRETS = {
    "type": "object",
    "properties": {"token": {"type": "string", "minLength": 3}},
    "required": ["token"],
    "additionalProperties": False,
}


def made(**fields: Any) -> Connection:
    return Connection(connection_id="billing", type="rest", **fields)


def faults(connection: Connection, **secrets: Any) -> list[str]:
    with pytest.raises(ValidationFailed) as caught:
        check_connection(connection, secrets, SETTINGS, SECRETS)
    return [each["path"] for each in caught.value.details]


def test_everything_that_is_wrong_is_told_with_its_place() -> None:
    limits = ConnectionLimits(rate_limit="often")
    assert faults(made(settings={"uri": "x"}, limits=limits), token="ab", other="x") == [
        "/settings/uri", "/secrets/token", "/secrets/other", "/limits/rateLimit",
    ]  # fmt: skip
    assert faults(made()) == ["/secrets/token"]


def test_of_a_secret_elsewhere_the_name_is_checked_alone() -> None:
    check_connection(made(), {"token": SecretFrom("env:TOKEN")}, SETTINGS, SECRETS)
    assert faults(made(), token=SecretFrom("env:TOKEN"), other=SecretFrom("env:TOKEN")) == ["/secrets/other"]


@pytest.mark.parametrize("source", ["TOKEN", ":x", "env:", "ENV:x"])
def test_a_source_has_a_name(source: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"from": source}, SecretFrom)


def test_definitions_are_allowed_by_key_or_beginning() -> None:
    assert made().allows("anything")
    some = made(allowed_definitions=["bill", "shop.*"])
    assert [key for key in ("bill", "bills", "shop.a", "shop", "other") if some.allows(key)] == ["bill", "shop.a"]
    assert not made(allowed_definitions=[]).allows("anything")
    assert made(allowed_definitions=["*"]).allows("anything")


def test_callers_are_admitted_by_name_or_group() -> None:
    assert not made().admits("ada", {"ops"})
    some = made(allowed_callers=["ada", "group:ops"])
    assert some.admits("ada", ())
    assert some.admits("bob", {"ops"})
    assert not some.admits("ops", {"ada"})

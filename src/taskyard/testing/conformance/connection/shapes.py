# ruff: noqa: D102, S101 - the tests' names are the promises
"""What a type says of itself."""

from __future__ import annotations

import pytest

from taskyard.contracts.integration import OpenConnection
from taskyard.domain.schema import compile_schema
from taskyard.errors import ValidationFailed
from taskyard.testing.conformance.connection.side import CANARY, Side, call_of


class TestShapes:
    """`name`, `settings`, `secrets` and `operation`."""

    pytestmark = pytest.mark.asyncio

    async def test_it_has_a_name(self, side: Side) -> None:
        assert side.type.name

    async def test_its_schemas_take_what_the_suite_gives(self, side: Side) -> None:
        compile_schema(dict(side.type.settings)).check(dict(side.settings))
        compile_schema(dict(side.type.secrets)).check(dict(side.secrets))
        compile_schema(dict(side.type.operation)).check(dict(side.operation))

    async def test_settings_and_secrets_are_closed(self, side: Side) -> None:
        for schema, value in ((side.type.settings, side.settings), (side.type.secrets, side.secrets)):
            with pytest.raises(ValidationFailed, match="not a known field"):
                compile_schema(dict(schema)).check({**value, "unknown-field": "x"})

    async def test_what_is_no_operation_does_not_fit(self, side: Side) -> None:
        if side.unsound is not None:
            with pytest.raises(ValidationFailed):
                compile_schema(dict(side.type.operation)).check(dict(side.unsound))

    async def test_no_form_of_a_connection_tells_its_secrets(self, side: Side) -> None:
        connection = OpenConnection("side", 1, side.settings, {"password": CANARY})
        assert CANARY not in f"{connection!r} {connection}"

    async def test_the_target_tells_neither_secrets_nor_input(self, side: Side) -> None:
        async with side.link() as link:
            told = link.target(call_of(side.operation, side.input))
        assert told
        assert "\n" not in told
        assert all(value not in told for value in side.secrets.values() if len(value) > 3)

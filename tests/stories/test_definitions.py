"""Definitions: what a decorator says becomes a stored, immutable version."""

import enum
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from taskyard import Context, TaskFailed, Taskyard, TaskyardError
from taskyard.domain.definition import Kind
from taskyard.engine.define import get_definition, list_versions
from taskyard.errors import ConfigurationError


class Address(BaseModel):
    street: str
    number: Annotated[int, Field(ge=1)]


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


async def stored(yard: Taskyard, key: str) -> Kind:
    return await get_definition(yard.engine, key)


async def test_every_option_of_the_decorator_is_stored(yard: Taskyard) -> None:
    @yard.task(
        key="db-backup", title="Database backup", description="Copies it.", category="maintenance", icon="database",
        tags=["nightly", "db"], danger="Locks the tables.", expense="Takes an hour.", timeout=30, retry=2,
        retry_delay=lambda count: count * 2.0, priority="HIGH", expire=60, max_concurrent=3, rate_limit="10/s",
        fallback={"kept": False}, trigger="backupWanted", action=True, service="operations", isolation="thread",
    )  # fmt: skip
    def backup(ctx: Context, format: Literal["sql", "tar"] = "sql") -> dict[str, bool]:
        """Not the description."""
        return {"kept": format == "sql"}

    async with yard:
        definition = (await stored(yard, "db-backup")).definition

    assert definition.title == "Database backup"
    assert definition.description == "Copies it."
    assert (definition.category, definition.icon, definition.tags) == ("maintenance", "database", ("nightly", "db"))
    assert (definition.danger, definition.expense) == ("Locks the tables.", "Takes an hour.")
    assert (definition.timeout, definition.retry_policy, definition.priority) == (30, {"maxRetries": 2}, "HIGH")
    assert (definition.expire, definition.max_concurrent, definition.rate_limit) == (60, 3, "10/s")
    assert definition.fallback == {"kept": False}
    assert (definition.trigger, definition.action, definition.service) == ("backupWanted", "db-backup", "operations")
    assert definition.implementation == {"kind": "function", "name": "db-backup"}
    assert definition.task_type == "AUTOMATED"


async def test_a_bare_decorator_takes_name_title_and_description_from_the_function(yard: Taskyard) -> None:
    @yard.task
    async def tidy_up() -> None:
        """Puts everything back."""

    async with yard:
        definition = (await stored(yard, "tidy_up")).definition
    assert (definition.title, definition.description) == ("Tidy up", "Puts everything back.")


async def test_register_does_the_same_without_a_decorator(yard: Taskyard) -> None:
    handle = yard.register("double", lambda number: number * 2, title="Double it")
    async with yard.worker():
        assert await handle.run(number=4) == 8
        assert (await stored(yard, "double")).definition.title == "Double it"


async def test_a_decorator_may_be_used_twice_and_refuses_unknown_options(yard: Taskyard) -> None:
    decorator: Any = yard.task(key="same", title="The same")

    async def one() -> None: ...

    assert [decorator(one).key, decorator(one).key] == ["same", "same"]
    with pytest.raises(ConfigurationError, match="titel"):
        yard.task(titel="Pay")(one)  # type: ignore[call-overload]  # it is what is refused


async def test_schemas_come_from_the_type_hints_and_are_closed(yard: Taskyard) -> None:
    @yard.task
    async def deliver(
        ctx: Context,
        to: Address,
        kind: Literal["parcel", "letter"],
        weight: Annotated[float, Field(gt=0, description="In kilograms.")],
        size: Size = Size.SMALL,
        on: date | None = None,
    ) -> list[Decimal]:
        return []

    async with yard:
        schema = (await stored(yard, "deliver")).definition.input_schema
    assert schema is not None
    assert schema["additionalProperties"] is False
    assert sorted(schema["required"]) == ["kind", "to", "weight"]
    assert schema["properties"]["kind"]["enum"] == ["parcel", "letter"]
    assert schema["properties"]["weight"]["exclusiveMinimum"] == 0
    assert schema["properties"]["weight"]["description"] == "In kilograms."
    assert "ctx" not in schema["properties"]


async def test_typed_values_go_in_and_come_out(yard: Taskyard) -> None:
    @yard.task
    async def move(to: Address, size: Size, on: date) -> Address:
        assert (size, on) == (Size.LARGE, date(2026, 5, 1))
        return Address(street=to.street, number=to.number + 1)

    async with yard.worker():
        moved = await move.run(to=Address(street="Elm", number=1), size=Size.LARGE, on=date(2026, 5, 1))
    assert moved == Address(street="Elm", number=2)


async def test_a_handle_is_still_the_function(yard: Taskyard) -> None:
    @yard.task
    def add(a: int, b: int) -> int:
        """Adds."""
        return a + b

    assert add(1, 2) == 3
    assert (add.__name__, add.__doc__, add.key) == ("add", "Adds.", "add")


async def test_two_functions_cannot_share_a_key(yard: Taskyard) -> None:
    yard.register("same", lambda: 1)
    with pytest.raises(TaskyardError, match="the task key 'same' is taken"):
        yard.register("same", lambda: 2)


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"timeout": 0}, "/timeout"),
        ({"max_concurrent": 0}, "/maxConcurrent"),
        ({"max_concurrent": 1 << 31}, "/maxConcurrent"),
        ({"expire": -1}, "/expire"),
        ({"priority": "URGENT"}, "/priority"),
        ({"retry": {"maxRetries": -1}}, "/retryPolicy"),
        ({"retry": {"tries": 3}}, "/retryPolicy"),
        ({"key": "no spaces"}, "/key"),
    ],
)
async def test_an_impossible_option_is_refused_when_the_yard_opens(
    yard: Taskyard, options: dict[str, Any], path: str
) -> None:
    @yard.task(**options)
    async def job() -> None: ...

    with pytest.raises(TaskyardError) as refused:
        async with yard:
            pass
    assert refused.value.code == "VALIDATION_ERROR"
    assert refused.value.details[0]["path"].startswith(path)


async def test_equal_content_is_the_same_version_and_other_content_a_new_one(
    yard: Taskyard, another_yard: Callable[[], Taskyard]
) -> None:
    async def job(number: int) -> int:
        return number

    first, same, changed = yard, another_yard(), another_yard()
    first.register("job", job, title="One")
    same.register("job", job, title="One")
    changed.register("job", job, title="Two")
    async with first:
        one = await stored(first, "job")
    async with same:
        assert await stored(same, "job") == one
    async with changed:
        two = await stored(changed, "job")
        assert (two.number, two.version) != (one.number, one.version)
        assert [kind.number for kind in await list_versions(changed.engine, "job")] == [2, 1]


async def test_a_waiting_task_keeps_the_version_it_was_asked_for(
    yard: Taskyard, another_yard: Callable[[], Taskyard]
) -> None:
    """Schemas and policies are the version's; the code is whatever the worker has under the name."""

    async def old(number: int = 0) -> int:
        return number

    async def new(number: int = 0) -> str:
        return f"new {number}"

    later = another_yard()
    yard.register("job", old, timeout=11, title="Old")
    later.register("job", new, timeout=22, title="New")
    async with yard:
        before = await yard.start("job", {"number": 1})
    async with later.worker():
        after = await later.start("job", {"number": 2})
        assert await after.result() == "new 2"
        waited = await later.get(before.id)
        with pytest.raises(TaskFailed) as failed:
            await waited.result()
    assert failed.value.code == "OUTPUT_VALIDATION_ERROR"
    assert (waited.task.title, after.task.title) == ("Old", "New")
    assert waited.task.definition_version != after.task.definition_version

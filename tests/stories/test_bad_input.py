"""Bad input is refused before anything is stored, with every error and its path."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from taskyard import Taskyard
from taskyard.contracts.records import Filter
from taskyard.engine.query import list_tasks
from taskyard.errors import ConfigurationError, NotFound, PayloadTooLarge, TaskyardError, ValidationFailed
from taskyard.settings import Settings
from tests.stories.tools import count_tasks, refused_paths


class Line(BaseModel):
    article: str
    count: Annotated[int, Field(ge=1)]


async def order(lines: list[Line], express: bool = False, kind: Literal["new", "used"] = "new") -> int:
    return len(lines)


async def test_every_error_is_told_with_its_path_and_nothing_is_stored(yard: Taskyard) -> None:
    yard.register("order", order)
    wrong = {"lines": [{"article": "pen", "count": 0}, {"count": "2"}], "express": "yes", "kind": "old", "colour": 1}
    async with yard:
        with pytest.raises(ValidationFailed) as refused:
            await yard.start("order", wrong)
        assert await count_tasks(yard) == 0
    assert refused_paths(refused.value) == [
        "/input/colour",
        "/input/express",
        "/input/kind",
        "/input/lines/0/count",
        "/input/lines/1/article",
        "/input/lines/1/count",
    ]
    assert all({"path", "message", "keyword"} <= detail.keys() for detail in refused.value.details)


async def test_one_bad_input_of_a_bulk_stores_none_of_it(yard: Taskyard) -> None:
    yard.register("order", order)
    good: dict[str, Any] = {"lines": []}
    async with yard:
        with pytest.raises(ValidationFailed) as refused:
            await yard.start_many("order", [good, {"lines": 1}, good, {"lines": [], "express": 2}])
        assert await count_tasks(yard) == 0
    assert refused_paths(refused.value) == ["/tasks/1/input/lines", "/tasks/3/input/express"]


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"note": "a\0b"}, "/input/note"),
        ({"note": "\ud800"}, "/input/note"),
        ({"note": float("nan")}, "/input/note"),
        ({"note": 2**63}, "/input/note"),
        ({"note": {"deep": object()}}, "/input/note/deep"),
    ],
)
async def test_what_no_store_can_keep_is_refused_at_the_door(yard: Taskyard, value: Any, path: str) -> None:
    @yard.task
    async def keep(note: Any) -> None: ...

    async with yard:
        with pytest.raises(ValidationFailed) as refused:
            await keep.start(**value)
        assert refused_paths(refused.value) == [path]
        assert await count_tasks(yard) == 0


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"priority": "URGENT"}, "/priority"),
        ({"delay": -1}, "/delay"),
        ({"delay": "soon"}, "/delay"),
        ({"delay": float("inf")}, "/delay"),
        ({"delay": 1e300}, "/delay"),
        ({"expire": -1}, "/expire"),
        ({"client": {"user": 7}}, "/client/user"),
        ({"execution_config": {"timeout": 0}}, "/executionConfig/timeout"),
        ({"execution_config": {"timeout": -1}}, "/executionConfig/timeout"),
        ({"execution_config": {"retryPolicy": {"maxRetries": -1}}}, "/executionConfig/retryPolicy"),
        ({"execution_config": {"retryPolicy": {"tries": 3}}}, "/executionConfig/retryPolicy"),
        ({"execution_config": {"speed": 3}}, "/executionConfig/speed"),
        ({"workflow_context": {"importance": "SOME"}}, "/workflowContext/importance"),
        ({"tags": "nightly"}, "/tags"),
        ({"metadata": {"a": "\0"}}, "/metadata/a"),
    ],
)
async def test_a_wrong_option_is_named(yard: Taskyard, options: dict[str, Any], path: str) -> None:
    yard.register("order", order)
    async with yard:
        with pytest.raises(ValidationFailed) as refused:
            await yard.start("order", {"lines": []}, **options)
        assert await count_tasks(yard) == 0
    assert refused_paths(refused.value)[0].startswith(path)


async def test_delay_and_a_moment_cannot_both_be_given(yard: Taskyard) -> None:
    yard.register("order", order)
    async with yard:
        with pytest.raises(ValidationFailed, match=r"^/delay cannot be given together with availableAt"):
            await yard.start("order", {"lines": []}, delay=1, available_at="2030-01-01T00:00:00Z")
        with pytest.raises(ValidationFailed) as refused:
            await yard.start("order", {"lines": []}, available_at="2030-01-01T00:00:00")
        assert refused_paths(refused.value) == ["/availableAt"]


async def test_an_unknown_option_and_an_unknown_task_are_named(yard: Taskyard) -> None:
    yard.register("order", order)
    async with yard:
        with pytest.raises(ConfigurationError, match="urgency"):
            await yard.start("order", {"lines": []}, urgency=1)  # type: ignore[call-arg]  # it is what is refused
        with pytest.raises(NotFound, match="'odrer'"):
            await yard.start("odrer", {"lines": []})
        with pytest.raises(NotFound):
            await yard.get("12")
        with pytest.raises(NotFound):
            await yard.get("no number")


async def test_an_input_over_the_body_limit_is_refused_before_it_is_stored(settings: Settings) -> None:
    yard = Taskyard(settings=settings.with_values(TASKYARD_MAX_BODY=1000))

    @yard.task
    async def measure(text: str) -> int:
        return len(text)

    async with yard.worker():
        with pytest.raises(PayloadTooLarge, match="may have 1000"):
            await measure.start(text="x" * 1000)
        assert await count_tasks(yard) == 0
        assert await measure.run(text="x" * 900) == 900


async def test_the_default_body_limit_is_a_mebibyte(yard: Taskyard) -> None:
    @yard.task
    async def measure(text: str) -> int:
        return len(text)

    async with yard.worker():
        with pytest.raises(PayloadTooLarge):
            await measure.start(text="x" * (1 << 20))
        assert await measure.run(text="x" * 1_000_000) == 1_000_000


async def test_a_full_queue_refuses_more_and_says_so(settings: Settings) -> None:
    yard = Taskyard(settings=settings.with_values(TASKYARD_MAX_DEPTH=3))

    @yard.task
    async def wait_there() -> str:
        return "done"

    async with yard:
        await wait_there.start_many([{}] * 2)
        with pytest.raises(TaskyardError) as full:
            await wait_there.start_many([{}] * 2)
        assert full.value.code == "OVERLOADED"
        assert full.value.details == {"queue": "task-execution-automated", "depth": 2, "limit": 3}
        assert full.value.retry_after
        assert await count_tasks(yard) == 2
    async with yard.worker():
        await (await wait_there.start()).result()
        tasks = (await list_tasks(yard.engine, Filter(), 10, None)).items
        for task in tasks:
            await (await yard.get(task.task_id)).result()
        assert await wait_there.run() == "done"

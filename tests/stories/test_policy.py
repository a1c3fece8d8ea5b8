"""The effective policy: task before definition before service, within the service's limits, and frozen."""

from collections.abc import Callable
from typing import Any

from taskyard import Run, Taskyard
from taskyard.domain.policy import Policy
from taskyard.engine.query import know_one
from taskyard.settings import Settings


async def policy_of(yard: Taskyard, run: Run[Any]) -> Policy:
    return (await know_one(yard.engine, int(run.id))).policy


async def job() -> None: ...


async def test_the_defaults(yard: Taskyard) -> None:
    yard.register("job", job)
    async with yard:
        policy = await policy_of(yard, await yard.start("job"))
    retry = policy.retry
    assert policy.timeout == 300
    assert (retry.max_retries, retry.initial_delay, retry.multiplier, retry.max_delay) == (5, 1, 2, 300)
    assert (retry.jitter, retry.non_retryable, policy.max_deliveries) == (0.2, (), 5)


async def test_task_before_definition_before_service_field_by_field(settings: Settings) -> None:
    yard = Taskyard(
        settings=settings.with_values(
            TASK_TIMEOUT=100.0, TASK_RETRY_POLICY={"maxRetries": 1, "maxDelay": 10, "jitter": 0.5}
        )
    )
    yard.register("plain", job)
    yard.register("job", job, timeout=50, retry={"maxDelay": 20, "initialDelay": 3})
    async with yard:
        plain = await policy_of(yard, await yard.start("plain"))
        own = await policy_of(yard, await yard.start("job"))
        config = {"retryPolicy": {"initialDelay": 4, "nonRetryable": ["BROKEN"]}, "securityContext": {"runAs": "ada"}}
        asked = await policy_of(yard, await yard.start("job", execution_config=config))
    assert (plain.timeout, plain.retry.max_retries, plain.retry.max_delay, plain.retry.jitter) == (100, 1, 10, 0.5)
    assert (own.timeout, own.retry.max_retries, own.retry.max_delay, own.retry.initial_delay) == (50, 1, 20, 3)
    assert (asked.timeout, asked.retry.max_retries, asked.retry.max_delay, asked.retry.initial_delay) == (50, 1, 20, 4)
    assert asked.retry.non_retryable == ("BROKEN",)
    assert asked.security_context == {"runAs": "ada"}


async def test_the_services_maxima_hold_for_everybody(settings: Settings) -> None:
    yard = Taskyard(settings=settings.with_values(TASK_MAX_TIMEOUT=60.0))
    yard.register("job", job, timeout=3600)
    async with yard:
        own = await policy_of(yard, await yard.start("job"))
        config = {"timeout": 7200, "retryPolicy": {"maxRetries": 1_000_000}}
        asked = await policy_of(yard, await yard.start("job", execution_config=config))
        less = await policy_of(yard, await yard.start("job", execution_config={"timeout": 5}))
    assert (own.timeout, asked.timeout, less.timeout) == (60, 60, 5)
    assert asked.retry.max_retries == 1000


async def test_a_frozen_policy_outlives_a_new_definition(yard: Taskyard, another_yard: Callable[[], Taskyard]) -> None:
    yard.register("job", job, retry=1)
    async with yard:
        run = await yard.start("job")
    later = another_yard()
    later.register("job", job, retry=9)
    async with later.worker():
        assert (await later.start("job")).task.max_retries == 9
        old = await later.get(run.id)
        await old.result()
        assert old.task.max_retries == 1

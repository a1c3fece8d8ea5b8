# ruff: noqa: D102, S101 - the tests' names are the promises
"""Calls that succeed, and those that do not."""

from __future__ import annotations

import asyncio
import traceback

import pytest

from taskyard.contracts.integration import Accepted, Answer, OperationFailed
from taskyard.domain.json import dumps
from taskyard.errors import CallFailed, TaskyardError, ValidationFailed
from taskyard.testing.conformance.connection.side import Side, call_of


class TestCalling:
    """`open`, `call`, `test` and `close`, where all goes well."""

    pytestmark = pytest.mark.asyncio

    async def test_a_call_gives_an_answer_that_is_json(self, side: Side) -> None:
        async with side.link() as link:
            answer = await link.call(call_of(side.operation, side.input))
        assert isinstance(answer, Answer | Accepted)
        if isinstance(answer, Answer):
            dumps({"status": answer.status, "output": answer.output, "details": dict(answer.details)})
            assert answer.bytes_in >= 0
            assert answer.bytes_out >= 0

    async def test_the_other_side_can_be_tried(self, side: Side) -> None:
        async with side.link() as link:
            await link.test()

    async def test_one_link_serves_many_at_once(self, side: Side) -> None:
        async with side.link() as link:
            answers = await asyncio.gather(*(link.call(call_of(side.operation, side.input)) for _ in range(8)))
        assert len(answers) == 8

    async def test_who_is_cancelled_leaves_the_link_as_it_was(self, side: Side) -> None:
        async with side.link() as link:
            leaving = asyncio.create_task(link.call(call_of(side.operation, side.input)))
            await asyncio.sleep(0)
            if leaving.cancel():  # what waits for nothing has ended by now
                with pytest.raises(asyncio.CancelledError):
                    await leaving
            await link.call(call_of(side.operation, side.input))

    async def test_a_link_may_be_closed_without_having_been_used(self, side: Side) -> None:
        async with side.link():
            pass


class TestRefusals:
    """What goes wrong, and what is told of it."""

    pytestmark = pytest.mark.asyncio

    async def test_wrong_secrets_are_told_and_not_shown(self, side: Side) -> None:
        if side.wrong_secrets is None:
            return
        with pytest.raises(CallFailed) as caught:
            async with side.link(secrets=side.wrong_secrets) as link:
                await link.call(call_of(side.operation, side.input))
        _told_well(caught.value, *side.wrong_secrets.values())
        assert not caught.value.retryable
        if isinstance(caught.value, OperationFailed):
            assert not caught.value.counts

    async def test_a_side_that_is_away_may_be_back_later(self, side: Side) -> None:
        if side.nowhere is None:
            return
        with pytest.raises(CallFailed) as caught:
            async with side.link(settings=side.nowhere) as link:
                await link.call(call_of(side.operation, side.input))
        _told_well(caught.value, *side.secrets.values())
        assert caught.value.retryable
        with pytest.raises(TaskyardError):
            async with side.link(settings=side.nowhere) as link:
                await link.test()

    async def test_what_is_refused_for_good_is_not_tried_again(self, side: Side) -> None:
        if side.refused is None:
            return
        async with side.link() as link:
            with pytest.raises((CallFailed, ValidationFailed)) as caught:
                await link.call(call_of(side.refused, side.input))
        _told_well(caught.value, *side.secrets.values())
        assert not getattr(caught.value, "retryable", False)


def _told_well(error: TaskyardError, *secrets: str) -> None:
    """One line that a stranger can read, and none of the secrets anywhere."""
    assert error.message
    assert "\n" not in error.message
    everything = "".join(traceback.format_exception(error)) + repr(error.details)
    assert all(secret not in everything for secret in secrets if len(secret) > 3)

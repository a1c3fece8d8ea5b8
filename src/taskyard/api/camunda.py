"""Camunda 7's external-task REST API: workers written for it drain our `external` tasks as they are."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.engine import external, external_query
from taskyard.engine.external_query import ExternalQuery, Retries, RetriesOfMany
from taskyard.errors import (
    Conflict,
    IllegalTransition,
    Malformed,
    NotFound,
    PayloadTooLarge,
    StaleLease,
    ValidationFailed,
)

routes = Routes("Camunda 7 external tasks")

T = TypeVar("T")
Handler = Callable[[Call], Awaitable[Response]]

_PATH = "/engine-rest/external-task"


class RestError(schemas.Answer):
    """An error as Camunda tells it."""

    type: str
    message: str


class ExternalCount(schemas.Answer):
    """How many there are."""

    count: int


class Page(schemas.Strict):
    """A page of a list."""

    first_result: int = 0
    max_results: int = 1000


class ListQuery(schemas.Strict):
    """Which external tasks are meant, and which page of them."""

    external_task_id: str | None = None
    topic_name: str | None = None
    process_instance_id: str | None = None
    worker_id: str | None = None
    locked: bool | None = None
    not_locked: bool | None = None
    with_retries_left: bool | None = None
    no_retries_left: bool | None = None
    first_result: int = 0
    max_results: int = 1000


_PAGE = {"firstResult": {"minimum": 0}, "maxResults": {"minimum": 1}}
QUERY, PAGE = Shape[ListQuery](ListQuery, _PAGE), Shape[Page](Page, _PAGE)
WANTED, RETRIES, MANY_RETRIES = Shape[ExternalQuery](ExternalQuery), Shape[Any](Retries), Shape[Any](RetriesOfMany)
FETCH, COMPLETION, FAILURE, BPMN_ERROR, EXTENSION = (
    Shape[Any](each)
    for each in (
        external.Fetch,
        external.ExternalCompletion,
        external.ExternalFailure,
        external.BpmnError,
        external.LockExtension,
    )
)
_ERRORS = {400: RestError, 404: RestError}
_DONE = {204: None, **_ERRORS}
_TASKS = list[dict[str, Any]]


def _in_their_words(handler: Handler) -> Handler:
    """Errors as Camunda's workers expect them: 400 for what is not theirs to do, 404 for what is gone."""

    @functools.wraps(handler)
    async def told(call: Call) -> Response:
        try:
            return await handler(call)
        except (NotFound, StaleLease) as error:
            return answer({"type": "RestException", "message": error.message}, 404)
        except external.LockedByOther as error:
            return answer({"type": "RestException", "message": error.message}, 400)
        except (ValidationFailed, Malformed, PayloadTooLarge, Conflict, IllegalTransition) as error:
            return answer({"type": "InvalidRequestException", "message": error.message}, 400)

    return told


@routes.add(f"POST {_PATH}/fetchAndLock", body=FETCH, answers={200: _TASKS, **_ERRORS})
@_in_their_words
async def fetch_and_lock(call: Call) -> Response:
    """Lock tasks of some topics, waiting for the first up to `asyncResponseTimeout` ms, 30 s at most."""
    fetch = await _read(call, external.Fetch)
    work = external.fetch_and_lock(call.engine, call.services.leases, call.caller, fetch)
    return answer(await (call.while_here(work) if fetch.async_response_timeout else work))


@routes.add(f"POST {_PATH}/{{externalTaskId}}/complete", body=COMPLETION, answers=_DONE)
@_in_their_words
async def complete(call: Call) -> Response:
    """The work is done; its variables become the output."""
    return await _do(call, external.complete, external.ExternalCompletion)


@routes.add(f"POST {_PATH}/{{externalTaskId}}/failure", body=FAILURE, answers=_DONE)
@_in_their_words
async def failure(call: Call) -> Response:
    """The work failed; `retries` 0 makes it a dead letter."""
    return await _do(call, external.fail, external.ExternalFailure)


@routes.add(f"POST {_PATH}/{{externalTaskId}}/bpmnError", body=BPMN_ERROR, answers=_DONE)
@_in_their_words
async def bpmn_error(call: Call) -> Response:
    """The work came to a business error, whose code the task fails with."""
    return await _do(call, external.bpmn_error, external.BpmnError)


@routes.add(f"POST {_PATH}/{{externalTaskId}}/extendLock", body=EXTENSION, answers=_DONE)
@_in_their_words
async def extend_lock(call: Call) -> Response:
    """Hold the lock for so many milliseconds from now."""
    return await _do(call, external.extend, external.LockExtension)


@routes.add(f"POST {_PATH}/{{externalTaskId}}/unlock", answers=_DONE)
@_in_their_words
async def unlock(call: Call) -> Response:
    """Give the task back."""
    await external.unlock(call.engine, call.services.leases, call.caller, call.param("externalTaskId"))
    return Response(status_code=204)


@routes.add(f"PUT {_PATH}/{{externalTaskId}}/retries", body=RETRIES, answers=_DONE)
@_in_their_words
async def retries(call: Call) -> Response:
    """Have one that is given up tried again."""
    wanted = await _read(call, Retries)
    await external_query.set_retries(call.engine, call.caller, call.param("externalTaskId"), wanted)
    return Response(status_code=204)


@routes.add(f"PUT {_PATH}/retries", body=MANY_RETRIES, answers=_DONE)
@_in_their_words
async def retries_of_many(call: Call) -> Response:
    """Have several that are given up tried again."""
    await external_query.set_retries_of_many(call.engine, call.caller, await _read(call, RetriesOfMany))
    return Response(status_code=204)


@routes.add(f"GET {_PATH}/{{externalTaskId}}", answers={200: dict[str, Any], **_ERRORS})
@_in_their_words
async def read_one(call: Call) -> Response:
    """An external task that has not ended."""
    return answer(await external_query.get_external(call.engine, call.param("externalTaskId")))


@routes.add(f"GET {_PATH}/{{externalTaskId}}/errorDetails", answers={200: {"text/plain": {}}, **_ERRORS})
@_in_their_words
async def read_error(call: Call) -> Response:
    """What was said of its latest failure."""
    told = await external_query.error_details(call.engine, call.param("externalTaskId"))
    return Response(told, media_type="text/plain")


@routes.add(f"GET {_PATH}/topic-names", answers={200: list[str]})
@_in_their_words
async def read_topics(call: Call) -> Response:
    """The topics there are."""
    return answer(await external_query.topic_names(call.engine))


@routes.add(f"GET {_PATH}", query=QUERY, answers={200: _TASKS, **_ERRORS})
@_in_their_words
async def read_all(call: Call) -> Response:
    """The external tasks that have not ended or are given up, newest first."""
    query = call.query(QUERY)
    return _page(await _find(call, _plain(query)), query.first_result, query.max_results)


@routes.add(f"POST {_PATH}", query=PAGE, body=WANTED, answers={200: _TASKS, **_ERRORS})
@_in_their_words
async def find_all(call: Call) -> Response:
    """The same, those that the body tells."""
    page = call.query(PAGE)
    return _page(await _find(call, await call.body(WANTED)), page.first_result, page.max_results)


@routes.add(f"GET {_PATH}/count", query=QUERY, answers={200: ExternalCount, **_ERRORS})
@_in_their_words
async def count(call: Call) -> Response:
    """How many external tasks have not ended or are given up."""
    return answer({"count": len(await _find(call, _plain(call.query(QUERY))))})


@routes.add(f"POST {_PATH}/count", query=PAGE, body=WANTED, answers={200: ExternalCount, **_ERRORS})
@_in_their_words
async def count_found(call: Call) -> Response:
    """The same, of those that the body tells."""
    return answer({"count": len(await _find(call, await call.body(WANTED)))})


async def _find(call: Call, wanted: ExternalQuery) -> list[dict[str, Any]]:
    return await external_query.list_external(call.engine, wanted)


def _plain(query: ListQuery) -> ExternalQuery:
    """What is asked for, without the page."""
    fields = {name: getattr(query, name) for name in ExternalQuery.__struct_fields__ if name != "sorting"}
    return ExternalQuery(**fields)


def _page(found: list[dict[str, Any]], first: int, most: int) -> Response:
    return answer(found[first : first + most])


async def _do(call: Call, verb: Callable[..., Awaitable[None]], type_: type[Any]) -> Response:
    body = await _read(call, type_)
    await verb(call.engine, call.services.leases, call.caller, call.param("externalTaskId"), body)
    return Response(status_code=204)


async def _read(call: Call, type_: type[T]) -> T:
    """The body, without what it has besides. Raises ValidationFailed, Malformed, PayloadTooLarge."""
    try:
        return msgspec.convert(await call.json(), type_)
    except msgspec.ValidationError as error:
        raise ValidationFailed(str(error)) from None

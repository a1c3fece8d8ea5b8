"""Answers: JSON as bytes, pages, and what is common to both."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from taskyard.domain.task import Task, to_json

JSON = "application/json"


def answer(value: Any, status: int = 200) -> Response:
    """`value` as JSON."""
    return Response(msgspec.json.encode(value), status, media_type=JSON)


def answer_task(task: Task, status: int = 200) -> Response:
    """The task as JSON."""
    return answer(to_json(task), status)


def answer_page(items: list[Any], next_cursor: str | None, **more: Any) -> Response:
    """A page of a list."""
    return answer({"items": items, "nextCursor": next_cursor, **more})

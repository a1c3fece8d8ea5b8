"""The routes for people and for programs: `/docs` and `/openapi.json`; the events: `/asyncapi.json`."""

from __future__ import annotations

from html import escape

from starlette.responses import Response

from taskyard.api import texts
from taskyard.api.answers import answer
from taskyard.api.asyncapi import make_messages
from taskyard.api.call import Call
from taskyard.api.pages import page
from taskyard.api.routing import Routes
from taskyard.api.shapes import JsonObject

routes = Routes("Operations")


@routes.add("GET /openapi.json", answers={200: {"application/json": {"schema": {"type": "object"}}}})
async def show_document(call: Call) -> Response:
    """The routes for programs, as OpenAPI 3.1."""
    return answer(call.scope["app"].openapi())


@routes.add("GET /asyncapi.json", answers={200: {"application/json": {"schema": {"type": "object"}}}})
async def show_messages(call: Call) -> Response:
    """The events that come and go, as AsyncAPI 3."""
    return answer(make_messages(call.services.version))


@routes.add("GET /docs", answers={200: {"text/html": {"schema": {"type": "string"}}}})
async def show_docs(call: Call) -> Response:
    """The routes for people."""
    document = call.scope["app"].openapi()
    rows = [
        _row(method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    head = f"<tr>{''.join(f'<th>{each}</th>' for each in texts.ROUTE_COLUMNS)}</tr>"
    link = f'<p>{escape(document["info"]["description"])} <a href="{escape(call.root)}/openapi.json">OpenAPI</a></p>'
    return page(call, texts.ROUTES, f"{link}<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>")


def _row(method: str, path: str, operation: JsonObject) -> str:
    parameters = [each["name"] for each in operation["parameters"] if each["in"] == "query"]
    body = operation.get("requestBody", {}).get("content", {})
    schemas = [media["schema"].get("$ref", "").rpartition("/")[2] for media in body.values()]
    named = ", ".join(parameters + [texts.BODY.format(name) for name in schemas if name])
    what = f"{escape(operation['summary'])}<br>{escape(operation['description'])}"
    return f"<tr><td><code>{method} {escape(path)}</code></td><td>{what}</td><td>{escape(named)}</td></tr>"

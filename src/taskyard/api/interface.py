"""The browser interface: one page for every address of people, and the assets it loads."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from taskyard.api import texts
from taskyard.api.answers import answer, answer_page
from taskyard.api.call import Call
from taskyard.api.definitions import definition_json
from taskyard.api.pages import page, theme_of
from taskyard.api.routing import Routes
from taskyard.api.schemas import DefinitionPage, DefinitionVersion
from taskyard.engine.define import get_definition, list_definitions
from taskyard.errors import NotFound
from taskyard.interface.built import NOT_BUILT

routes = Routes("People")

_POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_HTML = {"text/html": {"schema": {"type": "string"}}}
_BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_FOREVER = "public, max-age=31536000, immutable"


@routes.add("GET /", answers={303: None})
async def go_home(call: Call) -> Response:
    """To the browser interface."""
    return RedirectResponse(f"{call.root}/admin", 303)


@routes.add("GET /admin", answers={200: _HTML})
async def show_home(call: Call) -> Response:
    """The browser interface, or a word on where it is."""
    return _page(call)


@routes.add("GET /admin/task", answers={200: DefinitionPage})
async def show_definitions(call: Call) -> Response:
    """The definitions that may be run: as JSON for who accepts it."""
    if _wants_page(call):
        return _page(call)
    return answer_page([definition_json(kind) for kind in await list_definitions(call.engine)], None)


@routes.add("GET /admin/task/{key}", answers={200: DefinitionVersion})
async def show_definition(call: Call) -> Response:
    """One definition: as JSON for who accepts it."""
    if _wants_page(call):
        return _page(call)
    return answer(definition_json(await get_definition(call.engine, call.param("key"))))


@routes.add("GET /admin/assets/{file}", answers={200: _BYTES})
async def show_asset(call: Call) -> Response:
    """A file of the interface; its name changes with its content."""
    interface, name = call.services.interface, call.param("file")
    asset = None if interface is None else interface.asset(name)
    if asset is None:
        raise NotFound(f"there is no asset {name[:80]!r}")
    headers = {"Cache-Control": _FOREVER, "Vary": "Accept-Encoding"}
    if asset.packed is not None and "gzip" in call.headers.get("accept-encoding", ""):
        return Response(asset.packed, 200, {**headers, "Content-Encoding": "gzip"}, asset.media_type)
    return Response(asset.content, 200, headers, asset.media_type)


@routes.add("GET /admin/{page}", deep=True, answers={200: _HTML})
async def show_page(call: Call) -> Response:
    """Any other page of the interface, which finds its way by the address."""
    if not _wants_page(call):
        raise NotFound("There is no such address; /docs lists those there are.")
    return _page(call)


def _wants_page(call: Call) -> bool:
    return "text/html" in call.headers.get("accept", "")


def _page(call: Call) -> Response:
    interface = call.services.interface
    if interface is None:
        link = f'<a href="{call.root}/docs">{texts.SEE_ROUTES}</a>'
        return page(call, texts.HOME, f"<p>{NOT_BUILT[0].upper()}{NOT_BUILT[1:]}.</p><p>{link}</p>")
    headers = {"Content-Security-Policy": _POLICY}
    return Response(interface.page(call.root, theme_of(call), _address(call)), 200, headers, "text/html")


def _address(call: Call) -> str:
    """The address as the interface names it: without the path it is mounted at."""
    return str(call.scope["path"]).removeprefix(call.root).removeprefix("/admin") or "/"

"""Signing in by the link of a message. Opening it shows a page and does nothing, for programs open links too."""

from __future__ import annotations

from html import escape
from typing import Annotated
from urllib.parse import parse_qs

from msgspec import Meta
from starlette.responses import Response

from taskyard.api import schemas, texts
from taskyard.api.access import MANUAL
from taskyard.api.bodies import read_body
from taskyard.api.call import Call
from taskyard.api.login import check_origin, let_in
from taskyard.api.pages import page
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.errors import Malformed
from taskyard.security.caller import RESERVED_SUBJECTS, Caller
from taskyard.security.links import Link
from taskyard.security.session import Session

routes = Routes("People")

_FORM = "application/x-www-form-urlencoded"
_LONGEST_BODY = 16 * 1024
_HTML = {"text/html": {"schema": {"type": "string"}}}


class SignIn(schemas.Strict):
    """What the link carries."""

    link: Annotated[str, Meta(min_length=1, max_length=4096)]


SIGN_IN = Shape[SignIn](SignIn)


@routes.add("GET /signin", query=SIGN_IN, answers={200: _HTML, 401: _HTML})
async def show(call: Call) -> Response:
    """Whom the link of a message would sign in, and a button that does."""
    token = call.query(SIGN_IN).link
    link = _read(call, token)
    if link is None:
        return _refused(call)
    form = (
        f'<form method="post" action="{escape(call.root)}/signin"><input type="hidden" name="link" '
        f'value="{escape(token)}"><button autofocus>{texts.CONTINUE_AS.format(escape(link.subject))}</button></form>'
    )
    return page(call, texts.YOUR_TASKS, form)


@routes.add("POST /signin", media=_FORM, body=SIGN_IN, answers={303: None, 401: _HTML})
async def sign_in(call: Call) -> Response:
    """Sign in by the link of a message: once, as who it was sent to, for their manual tasks alone."""
    check_origin(call)
    raw = await read_body(call.headers, call.receive, _LONGEST_BODY)
    try:
        fields = parse_qs(raw.decode("ascii"), max_num_fields=10)
    except ValueError:
        raise Malformed("The form cannot be read.") from None
    link = _read(call, SIGN_IN.parse({name: values[0] for name, values in fields.items()}).link)
    if link is None or not await call.engine.store.see(link.key):
        return _refused(call)
    call.audit("the link of a message was followed", person=link.subject, task=link.task_id)
    goal = "/admin/inbox" if link.task_id is None else f"/admin/inbox/{link.task_id}"
    return let_in(call, Session(Caller(link.subject, frozenset({MANUAL}))), f"{call.root}{goal}")


def _read(call: Call, token: str) -> Link | None:
    link = call.services.links.read(token, call.services.now())
    return None if link is None or link.subject in RESERVED_SUBJECTS else link


def _refused(call: Call) -> Response:
    login = f'<a href="{escape(call.root)}/login">{texts.LOG_IN}</a> {texts.TO_SEE_THEM}'
    told = f'<p class="error" role="alert">{texts.LINK_OVER}</p><p>{login}</p>'
    return page(call, texts.YOUR_TASKS, told, 401)

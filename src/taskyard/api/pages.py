"""Pages without scripts or outside assets: the login, the docs, and a word where no interface is installed."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from starlette.responses import Response

_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:3rem auto;padding:0 1rem;color:#1c2330}"
    "input,button{font:inherit;padding:.4rem .6rem}code,td,th{font-size:.9rem}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.3rem .6rem;"
    "border-bottom:1px solid #d8dde6}.error{color:#a3142a}"
    "@media(prefers-color-scheme:dark){body{background:#12161d;color:#dde3ec}a{color:#8ab4ff}.error{color:#ff8a9a}}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def page(title: str, content: str, status: int = 200) -> Response:
    """A page; `content` is HTML of ours, with everything that came from outside escaped."""
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>{content}</body></html>"
    )
    return Response(html, status, {"Content-Security-Policy": _POLICY}, "text/html")

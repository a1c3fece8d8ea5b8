"""Pages without scripts or outside assets: the login, the docs, and a word where no interface is installed."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from starlette.responses import Response

_STYLE = (
    ":root{color-scheme:light dark;--ink:light-dark(#151c26,#e9edf3);--line:light-dark(#75808e,#5d6b7c);"
    "--paper:light-dark(#fbfaf7,#0d1219);--link:light-dark(#1a5c99,#7cc4f0);--bad:light-dark(#a3142a,#ff8a9a)}"
    "body{font:.9375rem/1.5 system-ui,sans-serif;max-width:60rem;margin:3rem auto;padding:0 1.25rem;color:var(--ink);"
    "background:var(--paper)}a{color:var(--link)}h1{font-size:1.375rem}form{max-width:24rem}"
    "label{display:block;font-weight:600;margin:0 0 .3rem}"
    "input,button{font:inherit;min-height:2.25rem;padding:.3rem .7rem;border:1px solid var(--line);"
    "border-radius:5px;box-sizing:border-box}input{width:100%;background:transparent;color:inherit}"
    "button{margin-top:.75rem;background:var(--ink);color:var(--paper);border-color:var(--ink);font-weight:600;"
    "cursor:pointer}:focus-visible{outline:2px solid var(--link);outline-offset:2px}code,td,th{font-size:.9em}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.3rem .6rem;"
    "border-bottom:1px solid var(--line)}.error{color:var(--bad)}"
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
        f"<style>{_STYLE}</style></head><body><main><h1>{escape(title)}</h1>{content}</main></body></html>"
    )
    return Response(html, status, {"Content-Security-Policy": _POLICY}, "text/html")

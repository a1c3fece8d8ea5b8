"""Pages without scripts or outside assets: the login, the docs, and a word where no interface is installed."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from starlette.responses import Response

from taskyard.api.auth import cookie_of
from taskyard.api.call import Call

_THEME_COOKIE = "taskyard_theme"
_THEMES = frozenset({"light", "dark"})

_STYLE = (
    ":root{color-scheme:light dark;--ink:light-dark(#151c26,#e9edf3);--line:light-dark(#75808e,#5d6b7c);"
    "--paper:light-dark(#fbfaf7,#0d1219);--link:light-dark(#1a5c99,#7cc4f0);--bad:light-dark(#a3142a,#ff8a9a)}"
    ":root[data-theme=light]{color-scheme:light}:root[data-theme=dark]{color-scheme:dark}"
    "body{font:.9375rem/1.5 system-ui,sans-serif;max-width:60rem;margin:3rem auto;padding:0 1.25rem;color:var(--ink);"
    "background:var(--paper)}a{color:var(--link)}h1{font-size:1.375rem}form{max-width:24rem}"
    "label{display:block;font-weight:600;margin:0 0 .3rem}input+label{margin-top:.75rem}"
    "main:has(form){max-width:24rem;margin:0 auto}"
    "details{margin-top:2rem}summary{cursor:pointer;margin-bottom:.75rem}"
    "a.button{display:inline-block;text-decoration:none}p+form{margin-top:1.75rem}"
    "input,button,.button{font:inherit;min-height:2.25rem;padding:.3rem .7rem;border:1px solid var(--line);"
    "border-radius:5px;box-sizing:border-box}input{width:100%;background:transparent;color:inherit}"
    "button,.button{margin-top:.75rem;background:var(--ink);color:var(--paper);border-color:var(--ink);font-weight:600;"
    "cursor:pointer}:focus-visible{outline:2px solid var(--link);outline-offset:2px}code,td,th{font-size:.9em}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.3rem .6rem;"
    "border-bottom:1px solid var(--line)}.error{color:var(--bad)}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def theme_of(call: Call) -> str | None:
    """The theme that was chosen in this browser; None where the system's is to be followed."""
    theme = cookie_of(call.headers.get("cookie"), _THEME_COOKIE)
    return theme if theme in _THEMES else None


def page(call: Call, title: str, content: str, status: int = 200) -> Response:
    """A page; `content` is HTML of ours, with everything that came from outside escaped."""
    theme = theme_of(call)
    chosen = "" if theme is None else f' data-theme="{theme}"'
    html = (
        f'<!doctype html><html lang="en"{chosen}><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{_STYLE}</style></head><body><main><h1>{escape(title)}</h1>{content}</main></body></html>"
    )
    return Response(html, status, {"Content-Security-Policy": _POLICY}, "text/html")

"""Finds the built interface and keeps its files in memory: together they are smaller than a megabyte."""

from __future__ import annotations

import gzip
import json
import mimetypes
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).with_name("dist")
NOT_BUILT = (
    "the browser interface is not built, so this server is API only; "
    "`make ui` builds it in a checkout, and a wheel brings it along"
)

_WORTH_PACKING = frozenset({".css", ".html", ".js", ".svg"})


class Asset(NamedTuple):
    """A file as it is sent; `packed` is its gzip form, where that is smaller."""

    content: bytes
    packed: bytes | None
    media_type: str


class Interface:
    """What browsers are given: one page for all addresses, and the assets it names by their content's hash.

    `beginnings` has, by address, what a page needs besides what all need: a browser fetches that with the rest.
    """

    def __init__(self, page: str, assets: dict[str, Asset], beginnings: Mapping[str, Sequence[str]]) -> None:
        self._page = page
        self._assets = assets
        self._links = [(_pattern(address), _links(names)) for address, names in beginnings.items()]

    def asset(self, name: str) -> Asset | None:
        """The asset with this name."""
        return self._assets.get(name)

    def page(self, root: str, theme: str | None, address: str) -> str:
        """The page at an address below the path `root`, in the theme the browser asked for before any painting."""
        place = escape(root, quote=True)
        chosen = "" if theme is None else f' data-theme="{theme}"'
        links = next((links for pattern, links in self._links if pattern.fullmatch(address)), "")
        page = self._page.replace("</head>", f"{links}</head>", 1)
        page = page.replace('"./assets/', f'"{place}/admin/assets/')
        return page.replace('<html lang="en"', f'<html lang="en" data-root="{place}"{chosen}', 1)


def load_interface(folder: Path = FOLDER) -> Interface | None:
    """The interface built into `folder`; None where there is none, or half of one."""
    page, beginnings = folder / "index.html", folder / "pages.json"
    if not (page.is_file() and beginnings.is_file()):
        return None
    assets = {path.name: _asset(path) for path in sorted((folder / "assets").iterdir()) if path.is_file()}
    return Interface(page.read_text(encoding="utf-8"), assets, json.loads(beginnings.read_bytes()))


def _pattern(address: str) -> re.Pattern[str]:
    """An address of the interface, of which `$name` stands for any segment."""
    return re.compile("/".join("[^/]+" if part.startswith("$") else re.escape(part) for part in address.split("/")))


def _links(names: Sequence[str]) -> str:
    """What has a browser fetch these files."""
    kinds = [("stylesheet" if name.endswith(".css") else "modulepreload", name) for name in names]
    return "".join(f'<link rel="{kind}" crossorigin href="./{name}">' for kind, name in kinds)


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    packed = gzip.compress(content, mtime=0) if path.suffix in _WORTH_PACKING else content
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Asset(content, packed if len(packed) < len(content) else None, media_type)

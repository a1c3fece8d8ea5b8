"""The built interface as the server finds and sends it; what stands in it is tests/ui's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from taskyard.interface.built import Interface, load_interface

PAGE = """<!doctype html>
<html lang="en"><head><script type="module" crossorigin src="./assets/index-1.js"></script></head></html>
"""
BEGINNINGS = {
    "/": ["assets/Overview-1.js"],
    "/run": ["assets/Runs-1.js", "assets/Runs-1.css"],
    "/run/$taskId": ["assets/Run-1.js"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a small interface."""
    (tmp_path / "index.html").write_text(PAGE)
    (tmp_path / "pages.json").write_text(json.dumps(BEGINNINGS))
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "index-1.js").write_text("export {}")
    return tmp_path


@pytest.fixture
def built(folder: Path) -> Interface:
    """That interface."""
    found = load_interface(folder)
    assert found is not None
    return found


@pytest.mark.parametrize("missing", ["index.html", "pages.json"])
def test_half_an_interface_is_none(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    assert load_interface(folder) is None


def test_a_page_begins_with_its_files_below_where_the_server_is_mounted(built: Interface) -> None:
    page = built.page('/a"b', "dark", "/run")
    assert '<html lang="en" data-root="/a&quot;b" data-theme="dark"' in page
    head = page.partition("</head>")[0]
    for link in (
        '<link rel="modulepreload" crossorigin href="/a&quot;b/admin/assets/Runs-1.js">',
        '<link rel="stylesheet" crossorigin href="/a&quot;b/admin/assets/Runs-1.css">',
        'src="/a&quot;b/admin/assets/index-1.js"',
    ):
        assert link in head
    assert "./assets" not in page


@pytest.mark.parametrize(
    ("address", "begins_with"),
    [("/", "Overview"), ("/run", "Runs"), ("/run/7", "Run"), ("/run/", None), ("/run/7/8", None), ("/nowhere", None)],
)
def test_each_address_has_its_beginning_and_others_have_none(
    built: Interface, address: str, begins_with: str | None
) -> None:
    page = built.page("", None, address)
    named = [name for name in ("Overview", "Runs", "Run") if f'"/admin/assets/{name}-1.js"' in page]
    assert named == ([] if begins_with is None else [begins_with])
    assert 'src="/admin/assets/index-1.js"' in page

"""The docs are true: their code runs and prints what they say, the reference is the code's, links lead somewhere."""

from __future__ import annotations

import ast
import os
import re
import runpy
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.cli.command import Command

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[(?:[^\]\\]|\\.)*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(?P<text>.+?) *$", re.MULTILINE)
_SECONDS = 60


class Block(NamedTuple):
    """A fenced block; `output` is the text of the `text output` block right after it."""

    page: Path
    line: int
    info: str
    text: str
    output: str | None

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    content = page.read_text(encoding="utf-8")
    found = list(_FENCE.finditer(content))
    blocks = []
    for fence, following in zip_longest(found, found[1:]):
        output = None
        if following and following["info"] == "text output" and not content[fence.end() : following.start()].strip():
            output = following["text"]
        line = content.count("\n", 0, fence.start()) + 1
        blocks.append(Block(page, line, fence["info"].strip(), fence["text"], output))
    return blocks


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
PYTHON = [block for block in BLOCKS if block.info.split()[:1] == ["python"]]
RUNNABLE = [block for block in PYTHON if block.info == "python run"]


@pytest.mark.parametrize("block", RUNNABLE, ids=lambda block: block.where)
def test_code_marked_runnable_runs_and_prints_what_it_says(block: Block, tmp_path: Path) -> None:
    script = tmp_path / "example.py"
    script.write_text(block.text, encoding="utf-8")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("TASK", "PYTEST"))}
    command = [sys.executable, "-W", "error", str(script)]
    ended = subprocess.run(
        command, cwd=tmp_path, env=plain, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    assert ended.returncode == 0, f"{block.where} failed\n{ended.stderr}"
    if block.output is not None:
        assert ended.stdout == block.output


def test_the_quickstart_runs_elsewhere(tmp_path: Path) -> None:
    page = blocks_of(ROOT / "docs" / "guide" / "quickstart.md")
    commands = [line.partition("#")[0].split() for block in page for line in block.text.splitlines()]
    (tmp_path / "shop.py").write_text(next(block.text for block in page if block.info == "python run"))
    worker, ask = (next(c[1:] for c in commands if c[:2] == ["taskyard", verb]) for verb in ("worker", "run"))
    named = next(command[1] for command in commands if command[:1] == ["export"])
    name, _, url = named.partition("=")
    shell = Command(tmp_path)
    with shell.begin(*worker) as working:
        shell.settings[name] = url
        shell.done("definitions", "list", "--app", worker[-1])  # the worker may not have told of them yet
        assert shell.done(*ask).json == "Hello Ada"
        assert working.alive


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.where)
def test_python_code_can_be_read(block: Block) -> None:
    ast.parse(block.text, block.where)


def test_every_fence_is_closed_and_names_its_language() -> None:
    known = {"console", "mermaid", "python", "python run", "text", "text output", "json", "toml", "sql", "yaml"}
    known |= {"javascript", "shell", "go", "java"}
    odd = [f"{block.where}: {block.info or 'no language'}" for block in BLOCKS if block.info not in known]
    open_ = [str(page) for page in PAGES if len(re.findall(r"^```", page.read_text(), re.MULTILINE)) % 2]
    assert not odd + open_


def test_the_reference_is_what_the_code_says() -> None:
    generator = runpy.run_path(str(ROOT / "docs" / "generate.py"))
    outdated = [path.relative_to(ROOT).as_posix() for path in generator["outdated"]()]
    assert not outdated, f"run `.venv/bin/python docs/generate.py`: {outdated}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    broken = [target for target in links_of(page) if not leads_somewhere(page, target)]
    assert not broken, f"{page.relative_to(ROOT)} links to {broken}"


def test_files_that_the_architecture_names_exist() -> None:
    named = re.findall(r"`([\w/*]+(?:/|\.py))`", (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"))
    package = ROOT / "src" / "taskyard"
    assert not [name for name in named if not list((ROOT if name.startswith("ui/") else package).glob(name))]


def test_every_page_can_be_found() -> None:
    """From README.md, following links."""
    seen: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        ahead += [(page.parent / target.partition("#")[0]).resolve() for target in links_of(page) if target[0] != "#"]
    assert not [page.relative_to(ROOT).as_posix() for page in PAGES if page not in seen]


def links_of(page: Path) -> list[str]:
    """Where a page links to within the repository."""
    content = _FENCE.sub("", page.read_text(encoding="utf-8"))
    targets = [match["target"] for match in _LINK.finditer(content)]
    return [target for target in targets if not target.startswith(("https://", "http://", "mailto:"))]


def leads_somewhere(page: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    path = (page.parent / name).resolve() if name else page
    if not path.is_relative_to(ROOT) or not path.exists():
        return False
    return not anchor or anchor in anchors_of(path)


def anchors_of(page: Path) -> set[str]:
    """A page's headings as anchors, the way code hosts make them."""
    content = _FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = (re.sub(r"[^\w\- ]", "", match["text"].lower()) for match in _HEADING.finditer(content))
    return {heading.replace(" ", "-") for heading in headings}

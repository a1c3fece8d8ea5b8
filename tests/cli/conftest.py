"""Fixtures: a folder with tasks, and the command line in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.command import JOBS, Command, Inline


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a yard of tasks, `jobs:yard`."""
    (tmp_path / "jobs.py").write_text(JOBS)
    return tmp_path


@pytest.fixture
def program(folder: Path) -> Command:
    """The real program in that folder."""
    return Command(folder)


@pytest.fixture
def taskyard(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The commands in that folder, called in this process."""
    return Inline(folder, patch=monkeypatch, captured=capsys)

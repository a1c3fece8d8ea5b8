"""Fixtures: a folder with tasks, and the command line in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import JOBS, Command


@pytest.fixture
def taskyard(tmp_path: Path) -> Command:
    """The command line in a folder with a yard of tasks, `jobs:yard`."""
    (tmp_path / "jobs.py").write_text(JOBS)
    return Command(tmp_path)

"""Fixtures: a folder with tasks, and the command line in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.command import JOBS, Command, Inline, url_of


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


@pytest.fixture(params=["store", "server"])
def reached(request: pytest.FixtureRequest, taskyard: Command) -> Iterator[Command]:
    """The commands on the folder's store, or through a server on it; calls may go to this machine."""
    taskyard.settings |= {"TASKYARD_EGRESS_ALLOW": "127.0.0.1"}
    taskyard.done("definitions", "list", "--app", "jobs:yard")
    if request.param == "store":
        yield taskyard
        return
    with taskyard.begin("serve", "jobs:yard", "--port", "0", "--no-worker", "--json") as server:
        url = url_of(server)
        token = taskyard.done("token", "create", "--subject", "ada", "--scope", "admin", "--json").json["token"]
        taskyard.settings |= {"TASKYARD_URL": url, "TASKYARD_TOKEN": token}
        yield taskyard

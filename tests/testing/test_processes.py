"""Stores in processes of their own: what is told of them, and that none is left behind."""

import os
from pathlib import Path

import pytest

from taskyard.testing.conformance.processes import Address, migrate_at_once

STORE = """
import os
from pathlib import Path


class Unlucky:
    def __init__(self, location):
        self.folder = Path(location)
        (self.folder / str(os.getpid())).touch()

    async def migrate(self):
        try:
            (self.folder / "luck").rmdir()
        except FileNotFoundError:
            raise RuntimeError("the luck is gone")
        return ["0001"]
"""


@pytest.fixture
def unlucky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Address:
    """A store that only one process can migrate."""
    (tmp_path / "unlucky.py").write_text(STORE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "made" / "luck").mkdir(parents=True)
    return Address("unlucky:Unlucky", str(tmp_path / "made"))


def test_each_tells_what_it_has_migrated(unlucky: Address) -> None:
    assert migrate_at_once(unlucky, 1) == [["0001"]]


def test_one_that_fails_is_told_when_all_have_ended(unlucky: Address) -> None:
    with pytest.raises(ValueError, match="RuntimeError: the luck is gone"):
        migrate_at_once(unlucky, 3)
    began = [int(path.name) for path in Path(unlucky.location).iterdir()]
    assert len(began) == 3
    for pid in began:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

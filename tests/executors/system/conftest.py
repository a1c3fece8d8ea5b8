from __future__ import annotations

from pathlib import Path

import pytest

from taskyard.executors.system.grants import Grants, parse_grants


def names(folder: Path) -> list[str]:
    """What is in a folder."""
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A permitted folder, beside which something lies that is not."""
    (tmp_path / "outside.txt").write_text("secret")
    inside = tmp_path / "inside"
    inside.mkdir()
    return inside


@pytest.fixture
def grants(folder: Path) -> Grants:
    given = parse_grants([f"files:read:{folder}", f"files:write:{folder}"])
    return Grants(given, None, given)

"""Handles, runs and contexts are typed like the handlers."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
def test_type_checkers_see_what_handlers_take_and_give() -> None:
    """Strictly, so that a refusal which no longer comes is an error too."""
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", Path(__file__).with_name("handles.py")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr

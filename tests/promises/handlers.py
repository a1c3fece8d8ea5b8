"""Handlers for processes of their own, which import this module and little else."""

import time
from pathlib import Path


def spin_once(started: str) -> None:
    """Never ends by itself the first time."""
    if Path(started).exists():
        return
    Path(started).touch()
    while True:
        time.sleep(0.01)

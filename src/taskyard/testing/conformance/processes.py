"""Stores in processes of their own."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from taskyard.contracts.clock import Clock
from taskyard.contracts.store import Store

_MIGRATOR = str(Path(__file__).with_name("migrator.py"))
_PATIENCE = 60.0


def migrate_at_once(database: Callable[[Clock], Store], count: int) -> list[list[str]]:
    """What each of `count` processes says that it has migrated; they begin together. `database` can be pickled.

    Raises ValueError where one of them fails; its traceback is on stderr.
    """
    command = [sys.executable, _MIGRATOR, pickle.dumps(database).hex()]
    waiting, go = os.pipe()
    processes = [
        subprocess.Popen(command, stdin=waiting, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own
        for _ in range(count)
    ]
    os.close(waiting)
    for process in processes:
        if process.stdout is not None:
            process.stdout.readline()  # it is ready
    os.close(go)
    return [json.loads(process.communicate(timeout=_PATIENCE)[0]) for process in processes]

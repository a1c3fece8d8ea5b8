"""The yard of the process `assembly`, in a program that is killed right before or after a verb of its store.

It is the one that takes instances on; the workers that it keeps are not.
"""

import os
import signal
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from taskyard.store.postgres.store import PostgresStore
from taskyard.store.sqlite.store import SqliteStore
from tests.stories.assembly import yard

__all__ = ["yard"]

_WHEN, _VERB = os.environ["STORY_FATAL"].split()


def _die() -> None:
    (Path(os.environ["STORY_FOLDER"]) / "died").touch()
    os.kill(os.getpid(), signal.SIGKILL)


def _fatal(verb: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(verb)
    async def run(*given: Any) -> Any:
        if _WHEN == "before":
            _die()
        answer = await verb(*given)
        if _WHEN == "after":
            _die()
        return answer

    return run


for _store in () if "taskyard.supervised" in sys.orig_argv else (SqliteStore, PostgresStore):
    setattr(_store, _VERB, _fatal(getattr(_store, _VERB)))

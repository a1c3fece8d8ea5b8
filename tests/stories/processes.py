"""Real worker processes, and what they leave behind."""

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from taskyard import Run, TaskEvent, Taskyard
from taskyard.domain.lifecycle import FINAL, State
from taskyard.engine.query import get_tasks
from tests.stories.tools import events_of
from tests.support import eventually, halt

ROOT = Path(__file__).parents[2]
SUPERVISED = [str(Path(sys.executable).with_name("taskyard")), "worker", "tests.stories.plant:yard"]
LONE = [sys.executable, "-m", "tests.stories.lone"]
PATIENCE = 60.0


class Plant:
    """Worker processes on one database, a folder for their ledger, and a yard to ask for work with."""

    def __init__(self, yard: Taskyard, database_url: str, folder: Path) -> None:
        self.yard = yard
        self._folder = folder
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("TASK_", "TASKYARD_"))},
            "PYTHONPATH": os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(ROOT)]).strip(os.pathsep),
            "STORY_FOLDER": str(folder),
            "TASKYARD_DATABASE_URL": database_url,
            "TASKYARD_DATA_DIR": str(folder / "data"),
            "TASKYARD_GRACE": "2",
            "TASK_MAX_CONCURRENT": "4",
        }

    @contextmanager
    def worker(self, command: list[str], **settings: str) -> Iterator[subprocess.Popen[bytes]]:
        """A worker process of this story; whatever is left of it is killed in the end."""
        log = (self._folder / "worker.log").open("ab")
        process = subprocess.Popen(
            command, cwd=self._folder, env=self._environment | settings, stdout=log, stderr=log, process_group=0
        )
        log.close()
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()

    def release(self, name: str) -> None:
        """Let the tasks waiting for `name` end."""
        (self._folder / f"release-{name}").touch()

    def ledger(self, word: str) -> list[str]:
        """What the handlers have written after `word`, in order."""
        path = self._folder / "ledger"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.partition(" ")[2] for line in lines if line.startswith(f"{word} ")]

    def died(self) -> bool:
        """Whether a program was killed where `fatal` has that done."""
        return (self._folder / "died").exists()

    def pauses(self) -> list[float]:
        """How long the supervisor has waited after each death before it started a worker again."""
        lines = (self._folder / "worker.log").read_text().splitlines()
        return [json.loads(line)["again_in"] for line in lines if '"again_in"' in line]

    def entries(self) -> list[str]:
        """The whole ledger."""
        return (self._folder / "ledger").read_text().splitlines()

    async def ledger_has(self, word: str, count: int) -> None:
        """Wait until so much has been written."""
        await eventually(lambda: len(self.ledger(word)) >= count, within=PATIENCE)

    async def pids(self, count: int, within: float = PATIENCE) -> list[int]:
        """The processes that work, once there are so many."""

        async def found() -> list[int]:
            pids = [worker.info.pid for worker in await self.yard.engine.store.workers()]
            living = [pid for pid in pids if _lives(pid)]
            return living if len(living) == count else []

        return await eventually(found, within=within)

    async def all_final(self, runs: list[Run[Any]], within: float = PATIENCE) -> Counter[str]:
        """Wait until all have ended; how many in which state."""
        ids = [int(run.id) for run in runs]

        async def statuses() -> Counter[State] | None:
            found = Counter(task.status for task in await get_tasks(self.yard.engine, ids))
            return found if found.keys() <= FINAL else None

        return Counter({str(key): count for key, count in (await eventually(statuses, within=within)).items()})

    async def stories(self, runs: list[Run[Any]]) -> list[list[TaskEvent]]:
        """The events of each."""
        return [await events_of(self.yard, run) for run in runs]


async def freeze(pid: int, database_url: str) -> None:
    """Stop a process, but not in the midst of writing to a file that it shares with others."""
    halt(pid)
    while not _can_write(database_url):
        os.kill(pid, signal.SIGCONT)
        await asyncio.sleep(0)
        halt(pid)


def _can_write(database_url: str) -> bool:
    """A PostgreSQL is not held by who uses it; a file is, for an instant."""
    if not database_url.startswith("sqlite"):
        return True
    with contextlib.closing(sqlite3.connect(database_url.removeprefix("sqlite:///"), timeout=2)) as file:
        try:
            file.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        return True


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def count_of(story: list[TaskEvent], key: str) -> int:
    """How often something happened to a task."""
    return sum(event.key == f"task.{key}" for event in story)


def pause_before_second_start(story: list[TaskEvent], since: float) -> float:
    """Seconds from a moment (epoch) until the task was started again after it."""
    again = [event.timestamp.timestamp() for event in story if event.key == "task.started"][1:]
    return min(moment for moment in again if moment > since) - since

"""What a process does not load before it needs it: start-up is waited for, at every start."""

import os
import subprocess
import sys
from pathlib import Path

_OF_OTHERS = {"httpx", "joserfc", "fastapi", "aiokafka", "aiobotocore", "aiosmtplib", "SpiffWorkflow", "opentelemetry"}

_WORKING = """
import asyncio, sys
import taskyard.supervised
from taskyard import Taskyard

async def work(app):
    async with app.keeping(), app.working():
        print(*sys.modules)

asyncio.run(work(Taskyard().app))
"""


def test_a_worker_starts_without_what_only_servers_and_calls_need(tmp_path: Path) -> None:
    surroundings = os.environ | {
        "TASKYARD_DATABASE_URL": f"sqlite:///{tmp_path}/tasks.db",
        "TASKYARD_DATA_DIR": str(tmp_path),
    }
    told = subprocess.run(
        [sys.executable, "-c", _WORKING], capture_output=True, text=True, check=True, env=surroundings
    )
    assert _OF_OTHERS & {name.partition(".")[0] for name in told.stdout.split()} == set()

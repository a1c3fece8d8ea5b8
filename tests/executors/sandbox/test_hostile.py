"""No program gets out of a jail, uses up more than it may, or leaves anything: in each tier, as root and as nobody."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
from tests.executors.sandbox.calls import TIERS_HERE

ROOT = Path(__file__).parents[3]
NOBODY = 64_000
USERS = (0, NOBODY) if os.geteuid() == 0 else (0,)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("uid", USERS, ids=["ourselves", "nobody"][: len(USERS)])
@pytest.mark.parametrize("tier", TIERS_HERE)
async def test_what_becomes_of_hostile_programs(tier: str, uid: int) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.executors.sandbox.corpus", tier, str(uid), cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()[-2000:]
    told = json.loads(out)
    assert told["wrong"] == []
    assert told["left"] == []
    assert told["count"] >= 80

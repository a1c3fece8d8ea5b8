from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support import eventually

from taskyard.domain import system
from taskyard.errors import Forbidden, ValidationFailed
from taskyard.executors.system.command import run_command
from taskyard.executors.system.failure import FunctionFailed
from taskyard.executors.system.grants import Grants, parse_grants

PYTHON = str(Path(sys.executable).absolute())


@pytest.fixture
def grants() -> Grants:
    given = parse_grants([f"command:{PYTHON}", "command:/bin/echo", "command:/bin/none"])
    return Grants(given, None, given)


def script(source: str, *arguments: str, **more: Any) -> system.Run:
    return system.Run(PYTHON, ["-c", source, *arguments], **more)


async def test_arguments_are_given_as_they_are(grants: Grants) -> None:
    ran = await run_command(system.Run("/bin/echo", ["$(id)", ";", "a  b", "`x`"]), grants)
    assert (ran.exit_code, ran.stdout, ran.stderr) == (0, "$(id) ; a  b `x`\n", "")


async def test_input_goes_in_and_the_environment_does_not(grants: Grants, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKYARD_JWT_SECRET", "canary")
    ran = await run_command(script("import os,sys;print(sys.stdin.read(), dict(os.environ))", input="grüße"), grants)
    assert ran.stdout.startswith("grüße ")
    assert "canary" not in ran.stdout


async def test_an_exit_code_that_is_not_expected_fails_with_the_last_words(grants: Grants) -> None:
    with pytest.raises(FunctionFailed) as failed:
        await run_command(script("import sys;sys.exit('no such thing')"), grants)
    assert failed.value.error.details["exitCode"] == 1
    assert "no such thing" in failed.value.error.message
    assert (await run_command(script("exit(3)", ok_codes=(0, 3)), grants)).exit_code == 3


async def test_what_is_said_is_bounded_and_nobody_blocks(grants: Grants) -> None:
    ran = await run_command(script("print('x' * 5_000_000)"), grants)
    assert len(ran.stdout) == 1 << 18


@pytest.mark.parametrize("command", ["/bin/sh", "/bin/../bin/echo", "/bin//echo", "echo"])
async def test_only_what_is_named_runs(grants: Grants, command: str) -> None:
    with pytest.raises((Forbidden, ValidationFailed)):
        await run_command(system.Run(command), grants)


async def test_a_program_that_is_not_there(grants: Grants) -> None:
    with pytest.raises(FileNotFoundError):
        await run_command(system.Run("/bin/none"), grants)


async def test_cancelled_it_takes_its_children_along(grants: Grants, tmp_path: Path) -> None:
    told = tmp_path / "pids"
    source = (
        "import os,sys,time,subprocess\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "open(sys.argv[1], 'w').write(f'{os.getpid()} {child.pid} .')\n"
        "time.sleep(60)"
    )
    running = asyncio.create_task(run_command(script(source, str(told)), grants))
    await eventually(lambda: told.exists() and told.read_text().endswith("."))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    for pid in map(int, told.read_text().split()[:2]):
        await eventually(lambda pid=pid: not _lives(pid))


async def test_what_it_leaves_behind_does_not_hold_it_up(grants: Grants) -> None:
    source = "import subprocess,sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    assert (await asyncio.wait_for(run_command(script(source), grants), 20)).exit_code == 0


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIG_DFL)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"

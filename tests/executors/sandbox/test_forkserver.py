"""What makes jails, or starts what does: it is there again when it has ended, and says why it cannot."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest
from tests.executors.sandbox.calls import TIERS_HERE, UNCONFINED, run, sandbox, value_of

from taskyard.executors.script.sandbox import folders
from taskyard.executors.script.sandbox.folders import Folders
from taskyard.executors.script.sandbox.forkserver import ForkServer
from taskyard.executors.script.sandbox.launch import PASSING

SPEC: dict[str, Any] = {
    **UNCONFINED, "seccomp": b"", "session": False, "env": {"GIVEN": "given"},
    "argv": ["/bin/sh", "-c", 'echo "$GIVEN" >&2'],
}  # fmt: skip


def said(server: ForkServer, python: str = sys.executable, **more: Any) -> str:
    """What a process that it makes says; it is a child of ours, and leads a group."""
    nowhere, (hears, says) = os.open(os.devnull, os.O_RDWR), os.pipe()
    try:
        pid = server.fork(python, {**SPEC, **more}, (nowhere, nowhere, says, nowhere), 0o022)
    finally:
        os.close(says)
        os.close(nowhere)
    with os.fdopen(hears) as stream:
        told = stream.read()
    assert os.getpgid(pid) == pid
    assert (os.getsid(pid) == os.getsid(0)) != more.get("session", False)
    os.waitpid(pid, 0)
    return told


@pytest.mark.parametrize("session", [True, False])
def test_a_process_that_is_forked_is_given_what_is_told(server: ForkServer, session: bool) -> None:
    assert said(server, session=session) == "given\n"


def test_a_fork_server_that_has_ended_is_started_anew(server: ForkServer) -> None:
    said(server)
    assert server._running is not None
    first = server._running.process
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert said(server) == "given\n"


@pytest.mark.parametrize("python", ["/bin/false", "/usr/bin/env"])
def test_a_fork_server_that_cannot_be_says_so(server: ForkServer, python: str) -> None:
    with pytest.raises(OSError, match="what makes jails has ended"):
        said(server, python)


def test_a_fork_server_that_is_silent_is_tried_again(server: ForkServer) -> None:
    """As whatever a busy moment keeps from being done: the tier is not taken for one that does not hold."""
    said(server)
    assert server._running is not None
    server._running.process.send_signal(signal.SIGSTOP)
    server._running.socket.settimeout(0.05)
    with pytest.raises(OSError, match="was silent") as error:
        said(server)
    assert error.value.errno in PASSING
    assert said(server) == "given\n"


def test_a_fork_server_that_is_killed_while_it_is_asked_is_tried_again(
    server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    said(server)
    assert server._running is not None
    process = server._running.process
    process.kill()
    process.wait()
    monkeypatch.setattr(process, "poll", lambda: None)
    with pytest.raises(OSError, match="was ended") as error:
        said(server)
    assert error.value.errno in PASSING
    assert said(server) == "given\n"


def test_more_than_can_be_told_is_refused_at_once(server: ForkServer) -> None:
    with pytest.raises(OSError, match="so many") as error:
        said(server, env={"LONG": "x" * (1 << 18)})
    assert error.value.errno == errno.E2BIG


def test_a_process_has_no_descriptors_but_its_own_and_its_guard_none(server: ForkServer) -> None:
    """However many we have open. Who kept one of the server's would hide that it has ended."""
    script = """exec >&2
    for each in $(seq 500); do found=$(ls /proc/$PPID/fd); [ -z "$found" ] && break; done
    echo "guard: $found"; echo "$1"; ls /proc/$$/fd"""
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        guards, frames, *own = said(server, forks=True, argv=["/bin/sh", "-c", script, "sh", "{frames}"]).split("\n")[
            :-1
        ]
    assert (guards, own) == ("guard: ", ["0", "1", "2", frames])


def test_a_process_that_cannot_be_confined_says_why_and_never_becomes_the_program(server: ForkServer) -> None:
    assert "No such file or directory: '/not/there'" in said(server, folder="/not/there")
    assert said(server) == "given\n"


@pytest.mark.parametrize("tier", TIERS_HERE)
async def test_a_shell_ends_what_nobody_reads_from(tier: str) -> None:
    """Python ignores the signal for that, and so would what it becomes."""
    async with sandbox([tier]) as box:
        source = 'set -o pipefail; yes | head -n 1; echo "${PIPESTATUS[0]}" >"$TASK_OUTPUT"'
        assert value_of(await run(box, "shell", source)) == 128 + signal.SIGPIPE


def test_a_file_is_made_once() -> None:
    ours, made = Folders(for_others=True), list[Path]()

    def make(path: Path) -> None:
        made.append(path)
        path.touch()

    try:
        first = ours.made("a", make)
        assert (ours.made("a", made.append), len(made)) == (first, 1)
    finally:
        ours.close()


def test_folders_that_are_being_made_in_the_end_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe's thread goes on where nobody waits for it any more."""
    made, lock = Folders(), folders._locked
    with ThreadPoolExecutor() as threads:
        closings = list[Future[None]]()

        def locked_late(folder: Path) -> int:
            closings.append(threads.submit(made.close))
            wait(closings, timeout=0.1)
            return lock(folder)

        monkeypatch.setattr(folders, "_locked", locked_late)
        root = made.root
        closings[0].result()
    assert not root.exists()

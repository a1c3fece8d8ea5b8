"""Ends a server and removes its files once the process that started it is gone, however it went.

A test run that is killed runs no finalizer. `PR_SET_PDEATHSIG` would cover the server's process, but it
exists on Linux alone, fires when the starting *thread* ends (a server started in a thread pool dies with
the pool), needs a `preexec_fn` (unsafe, and a warning since Python 3.12, in a process with threads) and
leaves the files behind. So a small process of its own reads a pipe that only the test process holds open:
the kernel closes it at any kind of death, and the end of the file is the signal to clean up.

This file is also that process's program: standard library only.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

GRACE = 5.0
"""Seconds that an orphaned server has to end by itself."""


def family(pid: int) -> list[int]:
    """The ids of process `pid` and of its children, `pid` first; empty if there is no such process."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self/task").exists():
            return []
        rows = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
        pairs = [row.split() for row in rows.stdout.splitlines()]
        children = [child for child, parent in pairs if int(parent) == pid]
    return [pid, *map(int, children)]


def send(pid: int, signum: int) -> bool:
    """Send a signal; False if the process is gone."""
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        return False
    return True


def signal_family(pid: int, signum: int) -> None:
    """Signal a process and its children."""
    for member in family(pid):
        send(member, signum)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and is not yet reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return send(pid, 0)
    return state not in "ZX"


class Watchdog:
    """Guards one directory and at most one server process; `close` or our death ends both."""

    def __init__(self, directory: Path) -> None:
        command = [sys.executable, "-I", "-S", __file__, str(directory)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True)

    def guard(self, pid: int) -> None:
        """Name the process to end; 0 when there is none."""
        assert self._process.stdin is not None
        print(pid, file=self._process.stdin, flush=True)

    def close(self) -> None:
        """Have everything cleaned up and wait for it."""
        self._process.communicate()


def _end(pid: int) -> None:
    send(pid, signal.SIGQUIT)
    signal_family(pid, signal.SIGCONT)
    deadline = time.monotonic() + GRACE
    while alive(pid):
        if time.monotonic() > deadline:
            signal_family(pid, signal.SIGKILL)
        time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError, PermissionError):  # those whose parent went before them
        os.killpg(pid, signal.SIGKILL)


def _main(directory: str) -> None:
    # Whoever ends a test run may signal all its processes; the one that cleans up has to outlive the others.
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    pid = 0
    for line in sys.stdin:
        pid = int(line)
    if pid:
        _end(pid)
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    _main(sys.argv[1])

"""Running an installer: with an environment of its own, as nobody, and within limits of time and size."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from taskyard.domain.text import printable
from taskyard.executors.script.sandbox.watch import folder_mb

UID = 61_182
"""The user that installs, where we are root; no jail's."""

PACKAGES = "packages"
"""The folder, below the installer's, for what is to be kept."""

_SECONDS = 300
_TIMED_OUT = 124
_FILE_TOO_LARGE = (-signal.SIGXFSZ, 128 + signal.SIGXFSZ)
_LOOK_SECONDS = 0.2
_MIB = 1 << 20
_LONGEST_MESSAGE = 2_000
_UNTOLD = re.compile(r"^(Download .*|Stack backtrace:|\s+\d+: <unknown>|\s+at file://.*)$", re.MULTILINE)


class Uninstallable(Exception):
    """The packages cannot be had; `retryable` when that may be otherwise later."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.retryable = retryable


class TooLarge(Uninstallable):
    """They take more room than there is."""


class Installer(NamedTuple):
    """How installers run. `folder`: all they may write; `most_mb`: how large it may become; `stop`: give up at once."""

    folder: Path
    most_mb: float
    environment: Mapping[str, str]
    stop: threading.Event

    def run(self, command: Sequence[str]) -> tuple[int, str]:
        """The exit code and what it said. Raises Uninstallable where it goes over a limit, OSError where it is none."""
        said = self.folder / "said"
        with said.open("wb") as stream:
            process = subprocess.Popen(  # noqa: S603 - our own words and checked names
                [*_as_nobody(self.folder), *_bounded(self.most_mb), *command],
                cwd=self.folder, env=dict(self.environment),
                stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True, umask=0o022,
            )  # fmt: skip
        try:
            code = self._watched(process)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, 9)
                process.wait()
        if code == _TIMED_OUT:
            raise Uninstallable(f"installing took longer than {_SECONDS} s", retryable=True)
        if code in _FILE_TOO_LARGE:
            raise self._too_large()
        return code, _told(said.read_bytes())

    def _watched(self, process: subprocess.Popen[bytes]) -> int:
        while True:
            try:
                return process.wait(_LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                self.check_size()
                if self.stop.is_set():
                    raise Uninstallable("this worker stops", retryable=True) from None

    def check_size(self) -> None:
        """Raises Uninstallable where the folder is larger than it may be."""
        if folder_mb(self.folder) > self.most_mb:
            raise self._too_large()

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the packages take more than {self.most_mb:g} MiB; TASKYARD_PACKAGES_MB sets the limit")


def take_back(folder: Path) -> None:
    """Make it ours, so that no later installer can change it."""
    if os.geteuid() != 0:
        return
    for place, _, files in os.walk(folder):
        for path in (Path(place), *(Path(place) / name for name in files)):
            os.chown(path, 0, 0, follow_symlinks=False)


def _told(said: bytes) -> str:
    """The installer's message on one line."""
    text = _UNTOLD.sub("", said[-64 * 1024 :].decode("utf-8", "replace"))
    return printable(" ".join(text.split()).removeprefix("error: "))[:_LONGEST_MESSAGE]


def _as_nobody(folder: Path) -> list[str]:
    if os.geteuid() != 0:
        return []
    for each in (folder, folder / PACKAGES):
        if each.exists():
            os.chown(each, UID, UID)
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise Uninstallable("no setpriv to give up root's rights with; install the package util-linux")
    return [setpriv, f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--no-new-privs", "--"]


def _bounded(most_mb: float) -> list[str]:
    """What bounds its time, also when we are gone, and each of its files."""
    timeout, prlimit = shutil.which("timeout"), shutil.which("prlimit")
    size = round(most_mb * _MIB)
    return [
        *([prlimit, f"--fsize={size}:{size}", "--core=0:0", "--"] if prlimit else ()),
        *([timeout, "--kill-after=5", str(_SECONDS)] if timeout else ()),
    ]

"""The SQLite library, and the file's place."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

from taskyard.cli.doctor.finding import Finding, ok, warning, wrong

_OLDEST = (3, 38, 0)
_MOUNTS = Path("/proc/mounts")
_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "glusterfs", "ceph", "afs", "lustre"})
_LEAST_FREE = 512 << 20


def look(url: str) -> list[Finding]:
    """How well the library and the file's place are."""
    path = Path(url.removeprefix("sqlite:///")).absolute()
    return [_version(), *_place(path)]


def _version() -> Finding:
    version = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        return wrong("sqlite", f"version {version} is too old", f"use a Python with SQLite {oldest} or later")
    return ok("sqlite", f"version {version}")


def _place(path: Path) -> list[Finding]:
    """The folder the file is in, or will be made in."""
    folder = next(one for one in path.parents if one.exists())
    findings = []
    if not os.access(folder, os.W_OK | os.X_OK):
        findings.append(wrong("database folder", f"{folder} cannot be written to", f"let this user write to {folder}"))
    elif path.exists() and not os.access(path, os.R_OK | os.W_OK):
        findings.append(wrong("database file", f"{path} cannot be written to", f"let this user write to {path}"))
    else:
        findings.append(ok("database file", f"{path}" if path.exists() else f"{path} is made on first use"))
    kind = file_system(folder)
    if kind in _NETWORK:
        findings.append(
            wrong("disk", f"{folder} is on {kind}, where SQLite's locks cannot be relied on", "use a local disk")
        )
    free = shutil.disk_usage(folder).free
    if free < _LEAST_FREE:
        findings.append(warning("disk", f"{free >> 20} MiB are free in {folder}", "make room before it is full"))
    else:
        findings.append(ok("disk", f"{free >> 30} GiB are free" + (f" on {kind}" if kind else "")))
    return findings


def file_system(folder: Path) -> str:
    """The kind of file system a folder is on, such as ext4; empty where the system does not tell."""
    try:
        mounts = [line.split(" ") for line in _MOUNTS.read_text().splitlines()]
    except OSError:
        return ""
    places = [(mount[1].replace("\\040", " "), mount[2]) for mount in mounts if len(mount) > 2]
    over = [(place, kind) for place, kind in places if folder.resolve().is_relative_to(place)]
    return max(over, key=lambda one: len(one[0]), default=("", ""))[1]

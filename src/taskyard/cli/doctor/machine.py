"""This machine: the data directory, and the port the server is to have."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import httpx

from taskyard.cli.doctor.finding import Finding, ok, warning, wrong
from taskyard.security.keys import ADMIN_TOKEN_FILE, SECRET_FILE
from taskyard.server import LOOPBACK
from taskyard.settings import Settings

_ANSWER_SECONDS = 3.0


def look(settings: Settings) -> list[Finding]:
    """The data directory, and whether callers can be told apart."""
    return [*_data_folder(Path(settings["TASKYARD_DATA_DIR"]).absolute()), _authentication(settings)]


async def look_at_port(host: str, port: int) -> Finding:
    """Whether the server's port is free, or a Taskyard has it."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = error.strerror
        else:
            return ok("port", f"{host}:{port} is free")
    if await _is_taskyard(host, port):
        return ok("port", f"a Taskyard server answers at {host}:{port}")
    return wrong("port", f"{host}:{port} cannot be had: {reason}", "set TASKYARD_PORT to another")


async def _is_taskyard(host: str, port: int) -> bool:
    address = f"[{host}]" if ":" in host else host
    try:
        async with httpx.AsyncClient(timeout=_ANSWER_SECONDS, trust_env=False) as client:
            answer = await client.get(f"http://{address}:{port}/openapi.json")
            healthy = await client.get(f"http://{address}:{port}/healthz")
    except httpx.HTTPError:
        return False
    # Its documents need a credential, and its error says so in its own shape.
    return healthy.status_code == httpx.codes.OK and "UNAUTHORIZED" in answer.text


def _data_folder(folder: Path) -> list[Finding]:
    place = next(one for one in (folder, *folder.parents) if one.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        mend = f"let this user write to {place}, or set TASKYARD_DATA_DIR to another"
        return [wrong("data directory", f"{place} cannot be written to", mend)]
    if not folder.exists():
        return [ok("data directory", f"{folder} is made on first use")]
    return [
        _mode(folder),
        *(_mode(folder / name) for name in (SECRET_FILE, ADMIN_TOKEN_FILE) if (folder / name).exists()),
    ]


def _mode(path: Path) -> Finding:
    """Whether only this user can look into a folder, or read a secret."""
    others = stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO)
    right = "700" if path.is_dir() else "600"
    name = "data directory" if path.is_dir() else path.name
    if not others:
        return ok(name, f"{path} is this user's alone")
    mend = f"chmod {right} {path}"
    if path.is_dir():
        return warning(name, f"others can look into {path}", mend)
    return wrong(name, f"others can read {path}, so it is no secret", f"{mend}, or delete it to get a new one")


def _authentication(settings: Settings) -> Finding:
    host = settings["TASKYARD_HOST"]
    if settings["TASKYARD_JWT_SECRET"] or settings["TASKYARD_JWKS_URL"]:
        return ok("authentication", "signed tokens are set up")
    if host in LOOPBACK:
        return ok("authentication", f"API tokens and the admin's; {host} is reached from this machine only")
    mend = "set TASKYARD_JWT_SECRET or TASKYARD_JWKS_URL, or bind to 127.0.0.1"
    return wrong("authentication", f"TASKYARD_HOST is {host}, but callers could not be told apart", mend)

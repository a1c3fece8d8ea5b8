"""Servers of files, in this process: SFTP in its loop, FTP and FTPS in a thread; S3 is MiniStack."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncssh

with warnings.catch_warnings(action="ignore"):  # it is built on asyncore
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
    from pyftpdlib.servers import FTPServer

USER = "courier"


class SftpServer(asyncssh.SFTPServer):
    """A folder, as the root of all paths. `names` are told besides what is there."""

    root = b""
    names: tuple[str, ...] = ()

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes]) -> None:
        super().__init__(channel, chroot=self.root)

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        async for entry in super().scandir(path):
            yield entry
        for name in self.names:
            yield asyncssh.SFTPName(name.encode(), attrs=asyncssh.SFTPAttrs())


class _Login(asyncssh.SSHServer):
    def __init__(self, password: str) -> None:
        self._password = password

    def begin_auth(self, username: str) -> bool:
        del username
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, self._password)


@contextlib.asynccontextmanager
async def sftp(
    folder: Path, password: str, *, key: asyncssh.SSHKey | None = None, names: tuple[str, ...] = (), **more: Any
) -> AsyncIterator[tuple[int, asyncssh.SSHKey]]:
    """A server's port and host key."""
    host_key = key or asyncssh.generate_private_key("ssh-ed25519")
    factory = type("Server", (SftpServer,), {"root": os.fsencode(folder), "names": names})
    acceptor = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[host_key],
        server_factory=lambda: _Login(password),
        sftp_factory=factory,
        **more,
    )
    try:
        yield acceptor.get_port(), host_key
    finally:
        acceptor.close()
        await acceptor.wait_closed()


@contextlib.contextmanager
def ftp(folder: Path, password: str, *, certificate: Path | None = None) -> Iterator[int]:
    """A server's port; with a certificate (and its key, PEM in one file) for FTPS alone."""
    logging.getLogger("pyftpdlib").setLevel(logging.CRITICAL)
    authorizer = DummyAuthorizer()
    authorizer.add_user(USER, password, str(folder), perm="elradfmwMT")
    base = TLS_FTPHandler if certificate is not None else FTPHandler
    facts: dict[str, Any] = {"authorizer": authorizer, "permit_foreign_addresses": False, "auth_failed_timeout": 0}
    if certificate is not None:
        facts |= {"certfile": str(certificate), "tls_control_required": True, "tls_data_required": True}
    server = FTPServer(("127.0.0.1", 0), type("Handler", (base,), facts))
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            server.serve_forever(timeout=0.02, blocking=False)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server.address[1]
    finally:
        stop.set()
        thread.join()
        server.close_all()

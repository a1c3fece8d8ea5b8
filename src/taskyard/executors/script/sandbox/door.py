"""A way out of a jail that has no network of its own: its system calls for one are answered from outside.

Its filter hands `socket` and `connect` to us (seccomp user notification). It gets sockets that we have made, and each
is connected by us, to the proxy, whatever address was asked for: the program itself connects nowhere. What it says of
addresses is in its memory, where it could change it after a look, so nobody looks.
<https://man7.org/linux/man-pages/man2/seccomp_unotify.2.html>
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import select
import socket
import struct
import threading
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from taskyard.executors.script.sandbox.proxy import Proxy
from taskyard.executors.script.sandbox.seccomp import socket_call

_RECEIVE, _SEND, _ADD = 0xC0502100, 0xC0182101, 0x40182103
_AND_SEND = 2
_ASKED, _ARGUMENTS = struct.Struct("=QIIi"), struct.Struct("=6Q")
_ASKED_SIZE, _ARGUMENTS_AT = 80, 32
_MOST_SOCKETS = 32
"""Sockets that wait to be connected: each is one of our descriptors."""

_AT_ONCE, _REST_MS = 64, 2
"""After so many answers it rests after each: a program that only asks must not keep the worker busy."""

_INT = 0xFFFFFFFF
_LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::ffff:127.0.0.1"}


class _Asked(NamedTuple):
    """A system call that waits for its answer."""

    id: int
    process: int
    arguments: tuple[int, ...]


class Door:
    """Serves one jail, in a thread of its own. Use as `async with`; `inside` is the descriptor for the jail."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._made: dict[tuple[int, int], socket.socket] = {}
        self._ours, self._theirs = socket.socketpair()
        self.inside = self._theirs.fileno()
        self._over = os.eventfd(0)
        self._thread = threading.Thread(target=self._serve, name="taskyard-door", daemon=True)

    async def __aenter__(self) -> Door:
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._theirs.close()
        os.eventfd_write(self._over, 1)
        await asyncio.shield(asyncio.to_thread(self._end))  # even where whoever waits for it does so no more

    def _end(self) -> None:
        self._thread.join()
        self._ours.close()
        os.close(self._over)
        for made in self._made.values():
            made.close()

    def _serve(self) -> None:
        """Answer until the jail has gone, or we are to end."""
        if not self._waited(self._ours.fileno()):
            return
        _, listeners, _, _ = socket.recv_fds(self._ours, 1, 1)
        for listener in listeners:
            try:
                self._attend(listener)
            finally:
                os.close(listener)

    def _attend(self, listener: int) -> None:
        answered = 0
        while self._waited(listener):
            self._answer(listener)
            answered += 1
            if answered > _AT_ONCE:
                select.select([self._over], [], [], _REST_MS / 1000)

    def _waited(self, descriptor: int) -> bool:
        """Wait until there is something to read; False when there will be nothing any more."""
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.register(self._over, select.POLLIN)
        return dict(poll.poll()).get(descriptor, 0) & select.POLLIN != 0

    def _answer(self, listener: int) -> None:
        buffer = bytearray(_ASKED_SIZE)
        with contextlib.suppress(OSError):  # who has asked may be gone
            fcntl.ioctl(listener, _RECEIVE, buffer)
            id_, thread, _, number = _ASKED.unpack_from(buffer)
            arguments = _ARGUMENTS.unpack_from(buffer, _ARGUMENTS_AT)
            try:
                asked = _Asked(id_, _process_of(thread), arguments)
                if number == socket_call():
                    self._make(listener, asked)
                    return
                self._connect(asked)
                code = 0
            except OSError as error:
                code = -(error.errno or errno.ECONNREFUSED)
            fcntl.ioctl(listener, _SEND, bytearray(struct.pack("=QqiI", id_, 0, code, 0)))

    def _make(self, listener: int, asked: _Asked) -> None:
        """Answer with a socket of ours, unconnected; we keep it as well. Raises OSError."""
        family, kind = asked.arguments[0] & _INT, asked.arguments[1]
        made = socket.socket(family, socket.SOCK_STREAM)
        os.set_blocking(made.fileno(), not kind & socket.SOCK_NONBLOCK)
        flags = os.O_CLOEXEC if kind & socket.SOCK_CLOEXEC else 0
        given = bytearray(struct.pack("=QIIII", asked.id, _AND_SEND, made.fileno(), 0, flags))
        try:
            number = fcntl.ioctl(listener, _ADD, given)
        except OSError:
            made.close()
            raise
        self._forget(asked.process, number)
        if len(self._made) >= _MOST_SOCKETS:
            self._forget(*next(iter(self._made)))
        self._made[asked.process, number] = made

    def _connect(self, asked: _Asked) -> None:
        """Connect a socket to the proxy; from then on it is the program's alone. Raises OSError."""
        made = self._made.pop((asked.process, asked.arguments[0] & _INT), None)
        if made is None:
            raise OSError(errno.ECONNREFUSED, "no socket of ours, or one that is connected")
        with made:
            here = _LOOPBACK[made.family]
            made.bind((here, 0))
            self._proxy.expect(made.getsockname()[1])
            made.connect((here, self._proxy.port))

    def _forget(self, process: int, number: int) -> None:
        known = self._made.pop((process, number), None)
        if known is not None:
            known.close()


def _process_of(thread: int) -> int:
    """The process of a thread. Raises OSError where it is gone.

    The first line is its name, which the program gives it: any bytes, but line feeds are told escaped.
    """
    lines = Path(f"/proc/{thread}/status").read_bytes().split(b"\n")
    return next(int(line.split()[1]) for line in lines if line.startswith(b"Tgid:"))

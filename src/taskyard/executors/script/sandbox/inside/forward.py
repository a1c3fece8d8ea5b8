"""Stand between programs that know proxies by address and the one that is a socket file; then become the program.

Started as `python -I -S forward.py SOCKET PORT ARGV…` in a jail whose network is its own and empty.
"""

from __future__ import annotations

import _thread
import os
import socket
import sys

CHUNK = 65536


def copy(source: socket.socket, target: socket.socket) -> None:
    """All bytes of one, to the other."""
    try:
        while True:
            data = source.recv(CHUNK)
            if not data:
                break
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(client: socket.socket, path: str) -> None:
    """One connection."""
    with client, socket.socket(socket.AF_UNIX) as proxy:
        try:
            proxy.connect(path)
        except OSError:
            return
        _thread.start_new_thread(copy, (client, proxy))
        copy(proxy, client)


def main() -> None:
    """Listen, and leave a child behind that serves."""
    path, port, argv = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    listener = socket.create_server(("127.0.0.1", port))
    if os.fork():
        listener.close()
        os.execv(argv[0], argv)
    while True:
        client, _ = listener.accept()
        _thread.start_new_thread(serve, (client, path))


main()

"""One TCP connection of the guest to a port of this machine: ``python pipe.py PORT``, started by QEMU's guestfwd."""

from __future__ import annotations

import os
import select
import socket
import sys

_MOST = 65536


def main() -> None:
    """Carry bytes both ways between standard input and output, which are the guest's, and the port."""
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as ours:
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            ready = select.select([ours.fileno(), 0], [], [])[0]
            if ours.fileno() in ready:
                if not (data := ours.recv(_MOST)):
                    return
                while data:
                    data = data[os.write(1, data) :]
            if 0 in ready:
                if not (data := os.read(0, _MOST)):
                    return
                ours.sendall(data)


if __name__ == "__main__":
    main()

"""What is closed can be opened again at once, also while a child is being started.

Between fork and exec a child has all that its parent had open, on a busy PC for 30 ms and more: a lock, a grab or a
connection ends with the last of its descriptors. What a child inherits for good stands for one in that moment here.
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.links import SerialLine
from edge.links.hid import HidLink
from edge.links.serial import open_serial
from edge.links.tcp import open_tcp
from tests.core.test_links import Cable

SOON_S = 5.0


@contextmanager
def inherited() -> Iterator[None]:
    """Have a child with all descriptors of this process while the context lasts."""
    every = [int(name) for name in os.listdir("/proc/self/fd")]  # noqa: PTH208  # one of them is of this look
    still = [fd for fd in every if Path(f"/proc/self/fd/{fd}").exists()]
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, pass_fds=still) as child:
        yield
        assert child.stdin is not None
        child.stdin.close()


def ignored(_direction: str, _data: bytes) -> None:
    """Nobody looks at the bytes."""


def test_a_serial_line() -> None:
    cable = Cable()
    link = open_serial(cable.path, SerialLine(), ignored)
    with inherited():
        link.close()
        open_serial(cable.path, SerialLine(), ignored).close()
    cable.pull()


def test_a_hid_node(tmp_path: Path) -> None:
    """A file in place of the node: the lock is the same."""
    node = tmp_path / "hidraw0"
    node.touch()
    fd = os.open(node, os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    link = HidLink(fd, "hidraw0", ignored, "reports", simulated=False)
    with inherited():
        link.close()
        with node.open() as other:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_connection_to_a_converter_that_takes_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as converter:
        link = open_tcp("127.0.0.1", converter.getsockname()[1], ignored)
        ours, _ = converter.accept()
        with ours:
            ours.settimeout(SOON_S)
            with inherited():
                link.close()
                assert ours.recv(1) == b""

"""A real pcscd of our own, without root, with the virtual reader of vsmartcard: for tests and the bench."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.wait import wait_until

PCSCD = "/usr/sbin/pcscd"
DRIVER = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so"
READER = "Virtual PCD"
START_S = 10.0

# systemd's socket activation, by hand: the socket is number 3, and LISTEN_PID is whoever runs
_LAUNCH = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""


def available() -> bool:
    """Return whether pcscd and the virtual reader are installed."""
    return Path(PCSCD).exists() and Path(DRIVER).exists()


class RealPcscd:
    """pcscd, listening on ``socket_path``; its first slot is a TCP server at ``port``."""

    def __init__(self) -> None:
        # short: the name of a socket has 107 characters at most
        self.folder = Path(tempfile.mkdtemp(prefix="pcscd-"))
        self.socket_path = self.folder / "pcscd.comm"
        self.port = _free_ports()
        (self.folder / "readers").mkdir()
        (self.folder / "readers" / "vpcd").write_text(
            f'FRIENDLYNAME "{READER}"\nDEVICENAME /dev/null:{self.port:#06x}\n'
            f"LIBPATH {DRIVER}\nCHANNELID {self.port:#06x}\n",
            encoding="ascii",
        )
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.socket_path))
        self._listener.listen(16)
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._listener.close()
        shutil.rmtree(self.folder)

    @property
    def log(self) -> str:
        return (self.folder / "pcscd.log").read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start it; returns when the virtual reader listens."""
        fd = self._listener.fileno()
        command = [PCSCD, "--foreground", "--info", "--config", str(self.folder / "readers")]
        with (self.folder / "pcscd.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _LAUNCH, str(fd), *command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(fd,),
            )  # fmt: skip
        wait_until(self._listens, START_S, "the virtual reader listens")

    def stop(self) -> None:
        """End it; whoever connects now waits in the socket."""
        process, self.process = self.process, None
        if process is not None:
            process.terminate()
            process.wait(START_S)

    def kill(self) -> None:
        """End it as a crash would."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait(START_S)

    def _listens(self) -> bool:
        """Look without connecting: that would be a card."""
        wanted = f":{self.port:04X} "
        tables = [Path(f"/proc/net/{name}") for name in ("tcp", "tcp6")]
        lines = [line.split() for table in tables if table.exists() for line in table.read_text().splitlines()]
        return any(f"{line[1]} ".endswith(wanted) and line[3] == "0A" for line in lines)


def _free_ports() -> int:
    """Return a port that is free, and so is the next: the second slot's."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port

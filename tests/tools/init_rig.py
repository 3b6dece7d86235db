"""A PC that ``hall-edge init`` sets up: a folder with what a new window has, and a terminal with a technician."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge import cli
from edge.config import Config, load
from edge.config.credentials import Lookup, granted
from tests.support.wait import wait_until
from tests.tools.init_files import Files

LONG_S = 20.0
GUN = "name=gun-1 driver=code_serial address=serial:///dev/hall-edge/gun content=public"


@dataclass(frozen=True)
class Done:
    """What a run of the command printed, and its exit code."""

    code: int
    out: str
    err: str


class Pc:
    """A system below a folder, as ``--root`` takes it."""

    def __init__(self, root: Path, files: Files) -> None:
        self.root = root
        self.files = files
        self.etc = root / "etc" / "hall-edge"
        self.etc.mkdir(parents=True)
        self.name("pc-0303")

    @property
    def config(self) -> Path:
        return self.etc / "hall-edge.toml"

    @property
    def drop_in(self) -> Path:
        return self.root / "etc/systemd/system/hall-edge.service.d/credentials.conf"

    def name(self, hostname: str, machine_id: str = "3d1219c7c4c5404aaa1f6d2a48adfda4") -> None:
        (self.root / "etc/hostname").write_text(f"{hostname}\n", encoding="ascii")
        (self.root / "etc/machine-id").write_text(f"{machine_id}\n", encoding="ascii")

    def receive(self, *names: str) -> None:
        """Put the files of these *names* where a technician puts them."""
        for name in names:
            (self.etc / name).write_bytes(self.files.content[name])
            (self.etc / name).chmod(0o600 if name.endswith(".key") else 0o644)

    def load(self) -> Config:
        """Return the configuration as the daemon's loader understands it."""
        lookup = Lookup(granted(str(self.root)), str(self.root))
        return load(self.config, {}, lookup)

    def left(self) -> dict[str, bytes]:
        """Return all files there are."""
        return {str(path.relative_to(self.root)): path.read_bytes() for path in self.root.rglob("*") if path.is_file()}


def init(pc: Pc, *arguments: str, answers: Sequence[str] | None = None, lang: str = "en") -> Done:
    """Run the command here; *answers* are what stands on its standard input."""
    given = b"" if answers is None else "".join(f"{line}\n" for line in answers).encode()
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        try:
            code = cli.main(["init", "--root", str(pc.root), "--lang", lang, *arguments])
        except SystemExit as usage:
            code = int(usage.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


class Terminal:
    """A program on a real terminal of 24 lines with 80 columns."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        env = {**os.environ, "LC_ALL": "C.UTF-8", **environ}
        with os.fdopen(slave, "rb") as end:
            self.process = subprocess.Popen(
                command, stdin=end, stdout=end, stderr=end, env=env, preexec_fn=_own_terminal  # noqa: PLW1509
            )  # fmt: skip
        self._bytes = b""
        self._seen = 0

    @property
    def text(self) -> str:
        """Everything on the screen so far."""
        return self._bytes.decode("utf-8", "replace").replace("\r\n", "\n")

    def expect(self, text: str) -> None:
        """Wait until *text* appears behind what was waited for before."""
        wait_until(lambda: self._read() and text in self.text[self._seen :], LONG_S, f"{text!r} in {self.text}")
        self._seen = self.text.index(text, self._seen) + len(text)

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._master, f"{text}\n".encode())

    def press(self, key: bytes) -> None:
        """Press a key: ``\\x03`` is Ctrl-C, ``\\x04`` Ctrl-D."""
        os.write(self._master, key)

    def resize(self, lines: int, columns: int) -> None:
        """Make the terminal another size; the kernel tells the program."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def end(self) -> int:
        """Wait for the program's end; return its exit code."""
        wait_until(lambda: self._read() and self.process.poll() is not None, LONG_S, f"the end, after {self.text}")
        self._read()
        return self.process.wait()

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self._master)

    def _read(self) -> bool:
        while select.select([self._master], [], [], 0)[0]:
            try:
                read = os.read(self._master, 65536)
            except OSError:  # the other end is closed
                break
            self._bytes += read
        return True


def _own_terminal() -> None:
    """Make the terminal the process's own, so that Ctrl-C reaches it."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@contextlib.contextmanager
def terminal(pc: Pc, *arguments: str, environ: Mapping[str, str] | None = None) -> Iterator[Terminal]:
    """Run ``hall-edge init`` on a terminal."""
    command = [sys.executable, "-m", "edge", "init", "--root", str(pc.root), *arguments]
    opened = Terminal(command, environ or {})
    try:
        yield opened
    finally:
        opened.close()

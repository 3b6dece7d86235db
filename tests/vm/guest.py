"""Commands in the guest, over one kept ssh connection to its root."""

from __future__ import annotations

import shlex
import subprocess
import time
from pathlib import Path

from tests.support.wait import wait_until

BOOT_S = 900.0
COMMAND_S = 120.0
UNREACHABLE = 255  # what ssh itself ends with


class GuestError(AssertionError):
    """A command in the guest failed."""


class Guest:
    """The guest whose ssh answers at *port* of this machine; *folder* is for the connection's socket."""

    def __init__(self, folder: Path, key: Path, port: int) -> None:
        self._socket = folder / "ssh"
        options = {
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "BatchMode": "yes",
            "ConnectTimeout": "120",
            "ServerAliveInterval": "15",
            "ControlPath": str(self._socket),
        }
        settings = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        self._ssh = ["ssh", "-q", "-F", "none", "-i", str(key), *settings, "-p", str(port), "root@127.0.0.1"]
        self._line: subprocess.Popen[bytes] | None = None

    def connect(self) -> None:
        """Wait until the guest lets us in, and keep that connection."""

        def connected() -> bool:
            if self._line is None or self._line.poll() is not None:
                self._line = subprocess.Popen([*self._ssh, "-M", "-N"], stdin=subprocess.DEVNULL)
            end = time.monotonic() + 5.0
            while time.monotonic() < end and self._line.poll() is None:
                if self._socket.exists():
                    return True
                time.sleep(0.05)
            return False

        wait_until(connected, BOOT_S, "the guest answers over ssh")

    def disconnect(self) -> None:
        """End the connection, whatever state the guest is in. Idempotent."""
        line, self._line = self._line, None
        if line is not None:
            line.kill()
            line.wait()
        self._socket.unlink(missing_ok=True)

    def attempt(self, command: str, *, data: bytes | None = None, limit_s: float = COMMAND_S) -> tuple[int, str]:
        """Run a shell command; return its exit status and all it wrote."""
        done = subprocess.run(
            [*self._ssh, command], input=data if data is not None else b"",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=limit_s, check=False,
        )  # fmt: skip
        if done.returncode == UNREACHABLE:
            raise GuestError(f"the guest is not reached for: {command}")
        return done.returncode, done.stdout.decode("utf-8", "replace")

    def run(self, command: str, *, data: bytes | None = None, limit_s: float = COMMAND_S) -> str:
        """Run a shell command that must succeed; return what it wrote."""
        status, said = self.attempt(command, data=data, limit_s=limit_s)
        if status:
            raise GuestError(f"exit status {status} of: {command}\n{said}")
        return said

    def as_user(self, user: str, command: str) -> tuple[int, str]:
        """Run a shell command as another user of the guest."""
        return self.attempt(f"setpriv --reuid={user} --regid={user} --init-groups -- sh -c {shlex.quote(command)}")

    def start(self, command: str) -> subprocess.Popen[str]:
        """Start a command that goes on; its lines come out, and lines can go in. The caller ends it."""
        return subprocess.Popen(
            [*self._ssh, command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def put(self, content: bytes | str, path: str, mode: str = "0644") -> None:
        """Write a file."""
        data = content.encode() if isinstance(content, str) else content
        quoted = shlex.quote(path)
        self.run(f"mkdir -p $(dirname {quoted}) && cat >{quoted} && chmod {mode} {quoted}", data=data)

    def wait(self, command: str, deadline_s: float = 30.0) -> str:
        """Run a command again and again until it succeeds; return what it wrote last.

        The waiting is done inside: a guest that is asked all the time is busy, and its clock falls behind ours.
        """
        again = f"said=$({{ {command}; }} 2>&1)"
        loop = f"for _ in $(seq {deadline_s * 2:.0f}); do {again} && break; sleep 0.5; false; done"
        status, said = self.attempt(f'{loop}; result=$?; echo "$said"; exit $result', limit_s=20 * deadline_s)
        if status:
            raise GuestError(f"waited {deadline_s:g} s, but not: {command}\n{said}")
        return said

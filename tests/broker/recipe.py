"""The shipped broker recipe as an administrator follows it: the commands of docs/administrator.md, run as they stand.

What is put in place of what stands there: the folders, the name of the broker (127.0.0.1), the port (free ones), the
names of halls, and whose the files are. mosquitto itself is started by the test.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from edge.delivery.tls import TlsFiles
from edge.subscriber.address import Login
from tests.docs.blocks import blocks
from tests.support.broker import HOST, Broker
from tests.support.project import ROOT

SHIPPED = ROOT / "systemd" / "broker"
HALL = "test-hall"
_GUIDE = "docs/administrator.md"
_DEBIAN = """pid_file {folder}/mosquitto.pid
persistence true
persistence_location {folder}/
log_dest file {folder}/mosquitto.log
include_dir {folder}/etc/conf.d
user root
"""
"""Debian 12's own /etc/mosquitto/mosquitto.conf, but for the folders and the user that a test has."""


def commands(about: str) -> str:
    """Return the only block of commands in the guide that holds *about*."""
    found = [block for block in blocks(_GUIDE, "sh") if about in block]
    assert len(found) == 1, f"{len(found)} blocks with {about}"
    return found[0]


def run(script: str, changes: Mapping[str, str], home: Path) -> str:
    """Run *script* after all *changes*, each of which must change something."""
    for old, new in changes.items():
        assert old in script, f"the guide no longer says {old}"
        script = script.replace(old, new)
    script = re.sub(r"^(apt-get|systemctl) .*$", "", script, flags=re.MULTILINE).replace(" -g mosquitto", "")
    env = {**os.environ, "HOME": str(home), "PATH": f"{os.environ['PATH']}:{SHIPPED}"}
    done = subprocess.run(["/bin/sh", "-euc", script], cwd=home, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout


class Authority:
    """A CA made by the shipped script, in ``home/ca``."""

    def __init__(self, home: Path) -> None:
        self.home, self.folder = home, home / "ca"
        changes = {
            "/usr/share/hall-edge/broker": str(SHIPPED),
            "mqtt.songjiang.example 10.20.1.5": f"mqtt.songjiang.example localhost {HOST}",
            "songjiang-district": HALL,
        }
        run(commands("hall-edge-ca init"), changes, home)

    def ca(self, *arguments: str, lines: Sequence[str] = ()) -> str:
        """Run ``hall-edge-ca`` and return what it prints."""
        command = [str(SHIPPED / "hall-edge-ca"), *arguments]
        text = "".join(f"{line}\n" for line in lines)
        return subprocess.run(
            command, cwd=self.home, input=text, check=True, stdout=subprocess.PIPE, text=True
        ).stdout  # fmt: skip

    def files(self, name: str) -> TlsFiles:
        """Return what a client called KIND/NAME connects with."""
        certificate, key = (str(self.folder / f"{name}.{suffix}") for suffix in ("pem", "key"))
        return TlsFiles(str(self.folder / "ca.pem"), certificate, key, str(self.folder / "crl.pem"))

    def login(self, name: str) -> Login:
        certificate, key = (self.folder / f"{name}.{suffix}" for suffix in ("pem", "key"))
        return Login(ca=self.folder / "ca.pem", certificate=certificate, key=key)


class RecipeBroker(Broker):
    """A mosquitto that was set up by the guide."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        super().__init__(folder, persistent=True)
        self._authority = authority
        self._etc = folder / "etc"
        (self._etc / "conf.d").mkdir(parents=True)
        self._here = {"/usr/share/hall-edge/broker": str(SHIPPED), "/etc/mosquitto": str(self._etc)}
        run(commands("cat windows.acl systems.acl"), self._here, authority.home)

    def bridge_to(self, port: int) -> None:
        """Bridge this hall's broker to its district's, which runs already."""
        changes = {
            **self._here, "songjiang-district": HALL, "mqtt.district.example": HOST,
            " bridge.conf": f" bridge.conf | sed 's/:8883/:{port}/'",
        }  # fmt: skip
        run(commands("bridge.conf >"), changes, self._authority.home)

    def for_halls(self, *halls: str) -> None:
        """Make it a district's broker of *halls*."""
        changes = {**self._here, "songjiang-district minhang-district": " ".join(halls)}
        run(commands("bridge.acl"), changes, self._authority.home)

    def install(self, name: str, installed: str | None = None) -> None:
        """Copy the file *name* of the authority again."""
        shutil.copy(self._authority.folder / name, self._etc / "hall-edge" / (installed or name))

    def reload(self) -> None:
        """Do what ``systemctl reload mosquitto`` does."""
        self._signal(signal.SIGHUP)

    def settle(self, *changes: tuple[str, str]) -> None:
        """Change the installed broker.conf, each *old* to *new*."""
        path = self._etc / "conf.d" / "hall-edge.conf"
        text = path.read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text, f"broker.conf no longer says {old}"
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")

    def _config_lines(self, port: int) -> list[str]:
        for path in (self._etc / "conf.d").iterdir():
            text = path.read_text(encoding="utf-8").replace("/etc/mosquitto/", f"{self._etc}/")
            text = re.sub(r"^listener .*$", f"listener {port} {HOST}", text, flags=re.MULTILINE)
            path.write_text(text, encoding="utf-8")
        return _DEBIAN.format(folder=self.folder).splitlines()


@contextmanager
def bridged(
    folder: Path, authority: Authority, way: Callable[[int], int] = lambda port: port
) -> Iterator[tuple[RecipeBroker, RecipeBroker]]:
    """Lend a hall's broker and its district's; *way* gives the port through which that is reached."""
    district = RecipeBroker(folder / "district", authority)
    district.for_halls(HALL)
    with district:
        hall = RecipeBroker(folder / "hall", authority)
        hall.bridge_to(way(district.port))
        with hall:
            yield hall, district

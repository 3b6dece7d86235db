"""The life of the package on one PC: installed, used, upgraded, downgraded, removed, purged; one test after another."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge import __version__
from edge.store.file import FORMAT
from tests.package.chroot import Chroot
from tests.package.documented import documented
from tests.package.made import BUILD, Made, next_version
from tests.package.window import InstalledWindow
from tests.support.wait import wait_until

SOURCES = "deb [trusted=yes] file:/srv/bundle/packages ./\n"
KEYS = ("etc/hall-edge/window.key", "var/lib/hall-edge/keys.bin", "var/lib/hall-edge/window-key.jwk",
        "var/lib/hall-edge/digest-key", "var/lib/hall-edge/lab-key.jwk")  # fmt: skip
SECRET = b"a private key that must not stay on the disk"


@pytest.fixture(scope="module")
def window(pc: Chroot) -> Iterator[InstalledWindow]:
    logs = BUILD / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir()
    yield InstalledWindow(pc, logs)
    shutil.rmtree(logs)


@pytest.fixture(scope="module")
def before(pc: Chroot, made: Made) -> dict[str, str]:
    """What is on a PC that has all that the package needs, but not the package."""
    pc.run("rm -rf /etc/apt/sources.list /etc/apt/sources.list.d && mkdir /etc/apt/sources.list.d")
    pc.write("etc/apt/sources.list", SOURCES)
    pc.bring(made.deb, f"srv/this/{made.deb.name}")
    pc.run("apt-get --quiet update")
    planned = re.findall(r"^Inst (\S+)", pc.run(f"apt-get --simulate install /srv/this/{made.deb.name}"), re.MULTILINE)
    needed = " ".join(name for name in planned if name != "hall-edge")
    pc.run(f"apt-get --quiet --yes install {needed} mosquitto")
    return pc.entries()


def installed_version(pc: Chroot) -> str:
    return pc.run("hall-edge --version").split()[-1]


def test_it_installs(pc: Chroot, before: dict[str, str]) -> None:
    assert not [name for name in before if "hall-edge" in name]
    pc.run("cd /srv/this && " + documented("apt install ./hall-edge_*.deb"))
    assert installed_version(pc) == __version__
    assert pc.run("dpkg --verify hall-edge") == ""


def test_files_have_their_owners_and_modes(pc: Chroot) -> None:
    user, group = pc.run("id -u hall-edge; id -g hall-edge").split()
    assert re.search(r"^hall-edge:[!*]", pc.run("cat /etc/shadow"), re.MULTILINE), "nobody logs in as the daemon"
    assert pc.run("getent passwd hall-edge").strip().endswith(":/usr/sbin/nologin")
    listed = pc.entries()
    assert listed["etc/hall-edge"] == f"40750 0:{group}"
    own = {name: how for name, how in listed.items() if "hall-edge" in name and name != "etc/hall-edge"}
    assert not [name for name, how in own.items() if not how.endswith(" 0:0")], f"root's, not {user}'s"
    assert not [name for name, how in own.items() if int(how.split()[0], 8) & 0o6022 and how[:2] != "12"]
    assert own["usr/lib/hall-edge/bin/hall-edge"].startswith("100755")
    enabled = pc.path("etc/systemd/system/multi-user.target.wants/hall-edge.service")
    assert enabled.is_symlink()


def test_the_environment_is_complete_and_its_own(pc: Chroot) -> None:
    libraries = "find /usr/lib/hall-edge -name '*.so*' -type f -exec ldd {} + | grep 'not found' || :"
    assert pc.run(libraries) == ""
    names = "aiomqtt, cryptography, cv2, joserfc, msgspec, numpy, paho.mqtt, pyudev, serial, usb, zeroconf"
    said = pc.run(f"""/usr/lib/hall-edge/bin/python -I -c '
import sys, smartcard.scard, libusb_package, {names}
assert libusb_package.get_libusb1_backend()
print([path for path in sys.path if "packages" in path], cv2.imencode(".jpg", numpy.zeros((9, 9)))[0])'""")
    assert said.splitlines()[-1] == "['/usr/lib/hall-edge/lib/python3.11/site-packages'] True"


def test_a_configuration_is_checked_and_the_demo_runs(pc: Chroot, window: InstalledWindow) -> None:
    window.configure()
    said = pc.run("hall-edge check --lang en", user="hall-edge")
    assert "valid — window package-test/w01, 1 devices, 1 subscribers" in said
    assert "with 7 simulated devices; broker: mosquitto" in pc.run(
        "cd /tmp && hall-edge demo --visits 1 --pause 0", user="hall-edge"
    )


def test_events_wait_while_there_is_no_broker(window: InstalledWindow) -> None:
    with window.working() as gun:
        window.scan(gun, "A001")
    assert window.kept("A001")


def test_an_upgrade_keeps_what_waits(pc: Chroot, window: InstalledWindow, made: Made) -> None:
    newer, version = next_version(made.deb, BUILD)
    configuration = pc.path("etc/hall-edge/hall-edge.toml").read_text()
    pc.bring(newer, f"srv/newer/{newer.name}")
    newer.unlink()
    pc.run("cd /srv/newer && " + documented("apt install ./hall-edge_*.deb"))
    assert installed_version(pc) == version
    assert pc.run("dpkg --verify hall-edge") == ""
    assert pc.path("etc/hall-edge/hall-edge.toml").read_text() == configuration
    with window.working() as gun:
        assert window.status()["version"] == version
        window.scan(gun, "A002")
    assert window.kept("A001", "A002")


def test_a_downgrade_keeps_what_waits_and_delivers_it(pc: Chroot, window: InstalledWindow) -> None:
    pc.run("cd /srv/this && " + documented("apt install --allow-downgrades ./hall-edge_*.deb"))
    assert installed_version(pc) == __version__
    assert window.kept("A001", "A002")
    with window.broker(), window.subscriber() as heard, window.working() as gun:
        window.scan(gun, "A003")
        wait_until(lambda: b"A003" in heard.read_bytes(), 30, "the last event is heard")
        assert re.findall(r"\bA\d{3}\b", heard.read_text()) == ["A001", "A002", "A003"]
        wait_until(lambda: window.ladder("confirmed") == window.ladder("accepted"), 30, "all are acknowledged")
    assert window.kept()


def test_a_store_of_a_newer_version_is_refused_and_not_touched(pc: Chroot, window: InstalledWindow) -> None:
    with window.working() as gun:
        window.scan(gun, "A004")
    path = pc.path("var/lib/hall-edge/outbox.db")
    with sqlite3.connect(path) as store:
        store.execute(f"PRAGMA user_version = {FORMAT + 1}")
        store.execute("DELETE FROM meta WHERE key = 'format'")  # where it stands once more, in case a bit flips
    store.close()
    bytes_before = path.read_bytes()
    assert "STO-103" in pc.run("timeout 30 hall-edge run", user="hall-edge", code=1)
    assert path.read_bytes() == bytes_before


def test_removing_keeps_the_data(pc: Chroot) -> None:
    data = ("etc/hall-edge/hall-edge.toml", "var/lib/hall-edge/outbox.db", "var/lib/hall-edge/epoch")
    before_removal = {name: pc.path(name).read_bytes() for name in data}
    pc.run(documented("apt remove hall-edge"))
    assert {name: pc.path(name).read_bytes() for name in data} == before_removal
    assert not pc.path("usr/lib/hall-edge").exists(), "no compiled file or folder stays"
    assert not pc.path("usr/bin/hall-edge").exists()
    pc.run("id hall-edge")


def test_purging_destroys_everything(pc: Chroot, before: dict[str, str]) -> None:
    """Second names of the keys' files show what became of their contents."""
    seconds: list[Path] = []
    for number, name in enumerate(KEYS):
        pc.path(name).write_bytes(SECRET)
        seconds.append(pc.root.parent / f"second-{number}")
        seconds[-1].unlink(missing_ok=True)
        seconds[-1].hardlink_to(pc.path(name))
    pc.write("etc/systemd/system/hall-edge.service.d/keys.conf", "[Service]\n")
    pc.write("etc/udev/rules.d/71-hall-edge-window.rules", "")
    pc.run(documented("apt purge hall-edge"))
    after = pc.entries()
    for backup in ("etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-"):  # the tools' own, of what was before
        after.pop(backup, None)
        before.pop(backup, None)
    assert {name: after.get(name) for name in {*after, *before} if after.get(name) != before.get(name)} == {}
    assert "hall-edge" not in pc.run("cat /etc/passwd /etc/group /etc/shadow /etc/gshadow")
    assert [second.name for second in seconds if SECRET in second.read_bytes()] == []
    for second in seconds:
        second.unlink()

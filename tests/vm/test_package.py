"""The package in the hands of apt and systemd: a newer one, the older one again, gone, and gone without a trace."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.tiers import evidence
from tests.support.wait import wait_until
from tests.vm.window_pc import CONFIG, READY_S, WindowPC

WINDOW = ("gun-1",)
APT = "DEBIAN_FRONTEND=noninteractive apt-get --yes"


@pytest.fixture(scope="module")
def newer(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same package with a higher version."""
    folder = tmp_path_factory.mktemp("newer")
    root = folder / "root"
    subprocess.run(["/usr/bin/dpkg-deb", "--raw-extract", package, root], check=True)
    control = root / "DEBIAN" / "control"
    text = control.read_text(encoding="utf-8")
    control.write_text(re.sub(r"(?m)^(Version: .*)$", r"\1+lab1", text), encoding="utf-8")
    made = folder / "newer.deb"
    command: list[str | Path] = ["/usr/bin/dpkg-deb", "--root-owner-group", "-Zzstd", "-z1", "--build", root, made]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(root)
    return made


def test_upgrade_downgrade_remove_and_purge(own_pc: WindowPC, package: Path, newer: Path) -> None:
    pc = own_pc
    pc.set_up(WINDOW)
    version = _version(pc)
    _scan(pc, 1)
    pc.broker.terminate()  # what is accepted now has to survive all of it
    _scan(pc, 5)

    took = {"upgrade_s": _install(pc, newer), "downgrade_s": 0.0}
    assert _version(pc) == f"{version}+lab1"
    took["downgrade_s"] = _install(pc, package)
    assert _version(pc) == version
    pc.broker.start()
    with pc.office() as office:
        wait_until(
            lambda: len([one for one in list(office.events) if one.type == "scanned"]) >= 6, READY_S, "all codes"
        )
        filled = sum(gap.state == "filled" for gap in office.gaps)
        assert len(office.gaps) == 2 * filled, "what was said before the office came was named and not brought again"

    pc.guest.run(f"{APT} remove hall-edge", limit_s=READY_S)
    assert pc.guest.attempt("systemctl is-active hall-edge.service")[1].strip() in ("inactive", "unknown")
    assert pc.guest.run(f"ls /var/lib/hall-edge/outbox.db {CONFIG}"), "removal keeps data and configuration"
    assert not pc.guest.run("systemctl --failed --no-legend --plain")
    pc.guest.run(f"{APT} purge hall-edge", limit_s=READY_S)
    left = pc.guest.run("ls -d /var/lib/hall-edge /etc/hall-edge /usr/lib/hall-edge /run/hall-edge 2>/dev/null || true")
    assert not left, left
    evidence("vm-package", trials=1, failures=0, **took)


def _install(pc: WindowPC, package: Path) -> float:
    """Install a package over the one that is there; return how long the window was not ready, in the guest's time."""
    restarts_from = pc.main_pid()
    pc.guest.put(package.read_bytes(), "/opt/lab/other.deb")
    pc.guest.run(f"{APT} --allow-downgrades install /opt/lab/other.deb && rm /opt/lab/other.deb", limit_s=1800)
    assert pc.guest.run("systemctl is-active hall-edge.service").strip() == "active"
    assert pc.main_pid() != restarts_from, "the new program does not run"
    entries = pc.journal("-b -t systemd -u hall-edge.service")
    stopping = [entry for entry in entries if str(entry["MESSAGE"]).startswith("Stopping")]
    started = [entry for entry in entries if str(entry["MESSAGE"]).startswith("Started")]
    return (int(started[-1]["__MONOTONIC_TIMESTAMP"]) - int(stopping[-1]["__MONOTONIC_TIMESTAMP"])) / 1e6


def _version(pc: WindowPC) -> str:
    return pc.guest.run("dpkg-query --show --showformat='${Version}' hall-edge")


def _scan(pc: WindowPC, count: int) -> None:
    """Read so many codes, and wait until they are accepted."""
    before = _accepted(pc)
    for number in range(count):
        pc.simulators.do(f"gun-1 scan TICKET-{before + number:04}")
    wait_until(lambda: _accepted(pc) >= before + count, READY_S, f"{count} codes are accepted")


def _accepted(pc: WindowPC) -> int:
    return int(pc.status()["health"]["ladder"]["accepted"])

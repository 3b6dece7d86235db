"""The offline bundle on a PC with nothing on it and no network at all."""

from __future__ import annotations

import pytest

from edge import __version__
from tests.package.chroot import Chroot
from tests.package.made import Made


def test_a_damaged_bundle_installs_nothing(pc: Chroot) -> None:
    pc.run("cp -a /srv/bundle /srv/damaged")
    damage = "cp $one other && printf x | dd of=other bs=1 seek=5000 conv=notrunc && mv other $one"
    pc.run(f"cd /srv/damaged/packages && for one in udev_*.deb; do {damage}; done")
    said = pc.run("sh /srv/damaged/install.sh", code=1, offline=True)
    assert "文件已损坏" in said
    assert "a file is damaged" in said
    pc.run("rm -r /srv/damaged; ! command -v hall-edge")


def test_it_is_for_root_on_debian_12(pc: Chroot) -> None:
    assert "sudo sh install.sh" in pc.run("sh /srv/bundle/install.sh", user="games", code=1)
    pc.run("cp /etc/os-release /tmp/kept && sed -i s/12/13/ /etc/os-release")
    assert "Debian 12" in pc.run("sh /srv/bundle/install.sh", code=1)
    pc.run("cat /tmp/kept >/etc/os-release")


@pytest.mark.usefixtures("made")
def test_it_installs_without_a_network(pc: Chroot, made: Made) -> None:
    pc.run("mkdir '/srv/USB 盘' && mv /srv/bundle '/srv/USB 盘/'")
    sources = pc.run("find /etc/apt | sort")
    said = pc.run("cd / && sh '/srv/USB 盘/bundle/install.sh' mosquitto", offline=True)
    assert "hall-edge init" in said
    assert pc.run("hall-edge --version") == f"hall-edge {__version__}\n"
    assert pc.run("find /etc/apt | sort") == sources
    installed = pc.run("dpkg-query -W -f '${Package} ${Status}\\n' mosquitto pcscd libccid python3-pyscard hall-edge")
    assert installed.count("install ok installed") == 5
    assert made.bundle.with_name(made.bundle.name + ".sha256").exists()


def test_again_changes_nothing(pc: Chroot) -> None:
    said = pc.run("cd / && sh '/srv/USB 盘/bundle/install.sh'", offline=True)
    assert "0 upgraded, 0 newly installed" in said


def test_both_languages_say_what_to_do(pc: Chroot) -> None:
    text = pc.run("cat '/srv/USB 盘/bundle/README.txt'")
    assert text.count("sudo hall-edge init") == 2
    assert text.count(f"hall-edge-{__version__}-debian12-amd64/install.sh") == 2
    assert "@" not in text

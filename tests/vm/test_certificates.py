"""A window as in a hall: its certificate, the key that only systemd can read, and a device named by its role."""

from __future__ import annotations

import re

from tests.support.tiers import evidence
from tests.support.wait import wait_until
from tests.support.wiretap import HALL, WINDOW
from tests.vm.devices import ALLOWED
from tests.vm.window_pc import READY_S, WindowPC

ROLE = "/dev/hall-edge/pad"


def test_the_key_is_given_by_systemd_and_by_nobody_else(new_pc: WindowPC) -> None:
    pc = new_pc
    own = pc.authority.issue(f"{WINDOW}.{HALL}")
    files = {
        "ca.pem": (pc.authority.ca, "0644"),
        "window.pem": (own.certificate, "0644"),
        "window.key": (own.key, "0600"),
    }
    for name, (path, mode) in files.items():
        pc.guest.put(path.read_bytes(), f"/etc/hall-edge/{name}", mode)
    pc.init((), lab=False)
    pc.guest.put(ALLOWED, "/etc/systemd/system/hall-edge.service.d/lab.conf")
    pc.guest.run("systemctl daemon-reload && systemctl start hall-edge.service", limit_s=READY_S)
    wait_until(lambda: any(said["state"] == "online" for said in pc.tap.on("status")), READY_S, "the window is online")

    loaded = pc.guest.run(
        "systemctl cat hall-edge.service"
    )  # systemd 252 shows of the property that it is not printable
    assert re.search(r"(?m)^LoadCredential(Encrypted)?=.*window", loaded), loaded
    assert "valid" in pc.guest.run("hall-edge check --lang en")
    status, said = pc.guest.as_user("hall-edge", "cat /etc/hall-edge/window.key")
    assert (status, "Permission denied" in said) == (1, True), said
    given = "/run/credentials/hall-edge.service"
    assert pc.guest.run(f"ls {given}")
    for user in ("clerk", "simulator"):
        assert pc.guest.as_user(user, f"ls {given}")[0], user
    evidence("vm-credentials", trials=1, failures=0)


def test_a_device_gets_the_name_of_its_role(new_pc: WindowPC) -> None:
    pc = new_pc
    pc.plug_reader()
    pc.guest.wait("ls /dev/ttyUSB0 && udevadm settle")
    role = "/usr/lib/hall-edge/bin/python -P -m edge.tools.units role pad /dev/ttyUSB0"
    pc.guest.run(f"{role} | tee -a /etc/udev/rules.d/71-hall-edge-window.rules")
    pc.guest.run("udevadm control --reload; udevadm trigger --action=change; udevadm settle")
    assert pc.guest.run(f"readlink -f {ROLE}").strip() == "/dev/ttyUSB0"
    pc.unplug_reader()
    pc.guest.wait(f"! ls {ROLE}")
    pc.plug_reader()
    pc.guest.wait(f"ls {ROLE}")
    pc.unplug_reader()

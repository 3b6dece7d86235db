"""The window at work under the package's own settings: every device, who may do what, what the kernel says of it."""

from __future__ import annotations

import json
import re

import pytest

from simulators.cards import make_card
from simulators.words import Words
from tests.support.project import ROOT
from tests.support.tiers import evidence
from tests.support.wait import wait_until
from tests.vm.devices import INIT, READER
from tests.vm.window_pc import WindowPC

EVENT_S = 300.0
_ACTIONS = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE policyconfig PUBLIC "-//freedesktop//DTD PolicyKit Policy Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/PolicyKit/1.0/policyconfig.dtd">
<policyconfig>
  <action id="org.debian.pcsc-lite.access_pcsc">
    <description>Access to the PC/SC daemon</description>
    <message>Authentication is required</message>
    <defaults><allow_any>no</allow_any><allow_inactive>no</allow_inactive><allow_active>yes</allow_active></defaults>
  </action>
</policyconfig>
"""
"""The action as a pcscd that asks polkit brings it along."""


def test_the_service_is_ready_and_nothing_has_failed(pc: WindowPC) -> None:
    shown = dict(
        line.split("=", 1) for line in pc.guest.run("systemctl show hall-edge.service").splitlines() if "=" in line
    )
    assert (shown["ActiveState"], shown["SubState"], shown["Type"]) == ("active", "running", "notify")
    assert shown["NRestarts"] == "0"
    assert not pc.guest.run("systemctl --failed --no-legend --plain")
    assert shown["StatusText"], "STATUS= says how the window is"


def test_every_device_works_and_its_events_arrive(pc: WindowPC) -> None:
    """What a citizen does at each device is heard, opened and acknowledged by the back office."""
    with pc.office() as office:

        def arrives(kind: str, type_: str) -> None:
            wait_until(
                lambda: any((event.kind, event.type) == (kind, type_) for event in list(office.events)),
                EVENT_S,
                f"{kind}.{type_}: {[(event.kind, event.type) for event in office.events]}",
            )

        pc.bench.do("id-1 insert resident seed=11")
        arrives("id-card", "read")
        pc.slot.insert(make_card("social-security", Words(["protocol=t0", "seed=12"]), 12))
        arrives("smart-card", "read")
        pc.simulators.do("gun-1 scan TICKET-0001")
        arrives("code-scanner", "scanned")
        for pad in ("pad-1", "pad-2"):
            asked = pc.request(pad, "evaluate", {"timeout_s": 60, "form_id": "counter", "form_version": "1"})
            pc.simulators.do(f"{pad} wait-request {EVENT_S:.0f}")
            pc.simulators.do(f"{pad} press 5")
            assert asked.completion(EVENT_S)["code"] == "ok"
        for device, command in (("camera-1", "capture"), ("camera-2", "capture"), ("scanner-1", "scan")):
            assert pc.request(device, command, {}).completion(EVENT_S)["code"] == "ok", device
        pc.simulators.do("id-2 insert resident seed=13")
        wait_until(lambda: sum(event.type == "read" for event in list(office.events)) >= 3, EVENT_S, "id-2 reads")
        assert not office.gaps
        pc.slot.remove()
        pc.bench.do("id-1 remove")
        pc.simulators.do("id-2 remove")


def test_status_check_and_discover(pc: WindowPC) -> None:
    status = json.loads(pc.guest.run("hall-edge status --json || [ $? = 1 ]"))
    assert {name: device["state"] for name, device in status["devices"].items()} == dict.fromkeys(INIT, "ready")
    assert "valid" in pc.guest.run("hall-edge check --lang en")
    found = pc.guest.run("hall-edge discover --lang en", limit_s=EVENT_S)
    for ids in ("0403:6001", "0400:c35a", "0483:5750", "0c45:6366"):
        assert re.search(rf"\[ SET\].*{ids}", found), found


def test_a_worker_has_no_network_and_no_way_to_get_one(pc: WindowPC) -> None:
    """Seen from inside: from a process that entered the worker's own namespaces."""
    for kind, interfaces in (("driver", ["lo"]), ("netdriver", ["eth", "lo"])):
        pids = _pids(pc, f"hall-edge-{kind}@*.service")
        assert pids, kind
        for pid in pids:
            seen = pc.guest.run(f"nsenter --net=/proc/{pid}/ns/net ip -brief link").split("\n")
            names = sorted(line.split()[0][:3] for line in seen if line)
            assert names == [name[:3] for name in sorted(interfaces)] or (kind == "netdriver" and "lo" in names)
            if kind == "driver":
                assert names == ["lo"]
                status, said = pc.guest.attempt(
                    f"nsenter --net=/proc/{pid}/ns/net python3 -c "
                    "'import socket; socket.create_connection((\"10.0.2.100\", 1883), 5)'"
                )
                assert (status, "unreachable" in said) == (1, True), said


@pytest.mark.parametrize("unit", ["hall-edge.service", "hall-edge-driver@*.service", "hall-edge-netdriver@*.service"])
def test_the_kernel_says_what_the_unit_promises(pc: WindowPC, unit: str) -> None:
    """No root, no capability, a system call filter, no way to more: from /proc/PID/status."""
    uid = pc.guest.run("id -u hall-edge").strip()
    for pid in _pids(pc, unit):
        said = dict(
            line.split(":\t", 1) for line in pc.guest.run(f"cat /proc/{pid}/status").splitlines() if ":\t" in line
        )
        assert said["Uid"].split() == [uid] * 4
        assert {said[f"Cap{kind}"].strip("0") for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {""}
        assert said["NoNewPrivs"] == "1"
        assert said["Seccomp"] == "2"
        assert int(said["Seccomp_filters"]) > 0
        assert said["Umask"] == "0077"


def test_names_are_stable_and_closed_to_others(pc: WindowPC) -> None:
    names = pc.guest.run("find /dev/hall-edge -type l -printf '%P %l\\n' | sort").splitlines()
    by_serial = [line for line in names if line.startswith("by-serial/")]
    assert {line.split()[0].split("/")[1].split("-")[0] for line in by_serial} >= {"tty", "hidraw", "video4linux"}
    assert any(line.startswith("by-port/tty-") for line in names)
    for node in (READER, "/dev/hall-edge/by-serial/hidraw-0483-5750-PAD0001-if00"):
        assert pc.guest.run(f"stat -L -c '%U %G %a' {node}").split() == ["root", "hall-edge", "660"]
        status, said = pc.guest.as_user("clerk", f"exec 3<>{node}")
        assert (status, "Permission denied" in said) == (2, True), said


def test_polkit_takes_the_rule_for_pcscd(pc: WindowPC) -> None:
    """Debian 12's pcscd does not ask polkit, newer ones do: the real polkitd is asked in its place."""
    pc.guest.put(_ACTIONS, "/usr/share/polkit-1/actions/org.debian.pcsc-lite.policy")
    pc.guest.run("systemctl restart polkit.service")
    may = {}
    for user in ("hall-edge", "clerk"):
        asks = "pkcheck --action-id org.debian.pcsc-lite.access_pcsc --process $$"
        may[user] = pc.guest.as_user(user, asks)[0] == 0
    assert may == {"hall-edge": True, "clerk": False}
    said = pc.guest.run("journalctl -u polkit.service --no-pager -o cat")
    assert "rror" not in said, said


def test_pcscd_can_be_closed_to_other_users(pc: WindowPC) -> None:
    """As docs/devices/card_pcsc.md says; as it comes, Debian 12's pcscd takes everybody."""
    ask = "/usr/lib/hall-edge/bin/python -c 'from smartcard.System import readers; print(readers())'"
    assert "Gem" in pc.guest.as_user("clerk", ask)[1]
    (lines,) = re.findall(r"```ini\n(.*?)```", (ROOT / "docs/devices/card_pcsc.md").read_text("utf-8"), re.DOTALL)
    pc.guest.put(lines, "/etc/systemd/system/pcscd.socket.d/hall-edge.conf")
    pc.forget()
    pc.guest.run("systemctl daemon-reload && systemctl stop pcscd.service && systemctl restart pcscd.socket")
    pc.wait_ready("card-1")
    assert "Gem" not in pc.guest.as_user("clerk", ask)[1]


def test_the_units_are_as_closed_as_promised(pc: WindowPC) -> None:
    """systemd-analyze looks at the units as they run, drop-ins and all."""
    found = {}
    for unit, most in (
        ("hall-edge.service", 1.2),
        ("hall-edge-driver@1.service", 0.6),
        ("hall-edge-netdriver@1.service", 1.0),
    ):
        said = pc.guest.run(f"systemd-analyze security --no-pager {unit} || true")
        exposure = float(re.findall(r"level for \S+: ([0-9.]+)", said)[0])
        assert exposure <= most, said
        found[unit] = exposure
    evidence("vm-security", trials=len(found), failures=0, **found)


def test_only_members_of_the_group_may_ask(pc: WindowPC) -> None:
    status, said = pc.guest.as_user("clerk", "hall-edge status")
    assert (status, "SYS-104" in said) == (1, True), said
    pc.guest.run("usermod --append --groups hall-edge clerk")
    try:
        assert "gun-1" in pc.guest.as_user("clerk", "hall-edge status")[1]
    finally:
        pc.guest.run("gpasswd --delete clerk hall-edge")


def _pids(pc: WindowPC, units: str) -> list[str]:
    said = pc.guest.run(f"systemctl show -P MainPID '{units}'")
    return [pid for pid in said.split() if pid != "0"]

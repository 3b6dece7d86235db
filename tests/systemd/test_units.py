"""The units under systemd's own tools: no key that is not understood, and as little exposed as promised."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.systemd.unit import FOLDER, SERVICES, UNITS, exposure, installed, settings, verified, words

LIMITS = {"hall-edge.service": 1.2, "hall-edge-driver@.service": 0.6, "hall-edge-netdriver@.service": 1.0}
AGAINST = {
    "hall-edge.service": {
        "DeviceAllow", "IPAddressDeny", "PrivateDevices", "PrivateNetwork", "ProcSubset", "RootDirectoryOrRootImage",
        "RestrictAddressFamilies_AF_INET_INET6", "RestrictAddressFamilies_AF_NETLINK",
        "RestrictAddressFamilies_AF_UNIX", "SupplementaryGroups",
    },
    "hall-edge-driver@.service": {
        "DeviceAllow", "PrivateDevices", "RestrictAddressFamilies_AF_NETLINK", "RestrictAddressFamilies_AF_UNIX",
        "RootDirectoryOrRootImage", "SupplementaryGroups",
    },
    "hall-edge-netdriver@.service": {
        "DeviceAllow", "IPAddressDeny", "PrivateNetwork", "RestrictAddressFamilies_AF_INET_INET6",
        "RestrictAddressFamilies_AF_NETLINK", "RestrictAddressFamilies_AF_UNIX", "RootDirectoryOrRootImage",
    },
}  # fmt: skip
"""What systemd holds against each unit: the work cannot be done without these."""


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_as_little_exposed_as_promised(name: str) -> None:
    figure, against = exposure(FOLDER / name)
    assert figure <= LIMITS[name]
    assert against <= AGAINST[name]


@pytest.mark.parametrize("name", SERVICES)
def test_a_loosened_service_would_be_seen(name: str, tmp_path: Path) -> None:
    loose = tmp_path / name
    text = (FOLDER / name).read_text(encoding="utf-8")
    loose.write_text(text.replace("CapabilityBoundingSet=\n", ""), encoding="utf-8")
    figure, against = exposure(loose)
    assert figure > LIMITS[name]
    assert against > AGAINST[name]


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    installed(tmp_path)
    assert verified(tmp_path, *UNITS) == (0, "")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("hall-edge.service", "WatchdogSec=", "WatchdogSeconds="),
        ("hall-edge.service", "ProtectSystem=strict", "ProtectSystem=stricter"),
        ("hall-edge-driver@.service", "DeviceAllow=char-usb_device rw", "DeviceAllow=usb_device rw"),
        ("hall-edge-driver.socket", "Accept=yes", "Accepts=yes"),
        ("hall-edge-netdriver@.service", "ExecStart=/usr/lib/hall-edge/bin/", "ExecStart=/usr/lib/hall-edge/"),
    ],
)
def test_a_line_that_is_not_understood_would_be_seen(name: str, old: str, new: str, tmp_path: Path) -> None:
    unit = installed(tmp_path) / name
    text = unit.read_text(encoding="utf-8")
    assert old in text
    unit.write_text(text.replace(old, new), encoding="utf-8")
    code, said = verified(tmp_path, *UNITS)
    assert code != 0
    assert said


def test_the_daemon_is_watched_and_never_given_up() -> None:
    service, unit = (settings(FOLDER / "hall-edge.service", section) for section in ("Service", "Unit"))
    assert service["Type"] == ["notify"]
    assert service["Restart"] == ["always"]
    assert unit["StartLimitIntervalSec"] == ["0"]
    assert service["User"] == service["Group"] == ["hall-edge"]
    assert service["MemoryMax"] == ["256M"]
    assert service["LimitCORE"] == ["0"]
    assert not {"network-online.target", "time-sync.target"} & words(FOLDER / "hall-edge.service", "Unit", "After")


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_runs_from_where_it_can_write(name: str) -> None:
    """systemd leaves out of ``NoExecPaths=/`` what has a mount of its own: such places are named one by one."""
    own = {"StateDirectory": "/var/lib", "RuntimeDirectory": "/run"}
    service = settings(FOLDER / name, "Service")
    folders = {f"{own[key]}/{value}" for key in own for value in service.get(key, ())}
    assert words(FOLDER / name, "Service", "NoExecPaths") == {"/", "/tmp", "/var/tmp", "/dev/shm"} | folders  # noqa: S108
    assert service["ExecPaths"] == ["/usr"]


@pytest.mark.parametrize("name", SERVICES[1:])
def test_a_driver_reaches_no_file_of_the_daemon(name: str) -> None:
    hidden = {
        path.lstrip("-") for value in settings(FOLDER / name, "Service")["InaccessiblePaths"] for path in value.split()
    }
    assert {"/etc/hall-edge", "/var/lib/hall-edge", "/run/hall-edge", "/run/credentials"} <= hidden
    assert settings(FOLDER / name, "Unit")["CollectMode"] == ["inactive-or-failed"]
    assert settings(FOLDER / name, "Unit")["BindsTo"] == ["hall-edge.service"]


@pytest.mark.parametrize("which", ["driver", "netdriver"])
def test_only_the_daemon_may_ask_for_drivers(which: str) -> None:
    socket = settings(FOLDER / f"hall-edge-{which}.socket", "Socket")
    assert socket["ListenSequentialPacket"] == [f"/run/hall-edge-drivers/{which}.sock"]
    assert (socket["Accept"], socket["SocketUser"], socket["SocketMode"]) == (["yes"], ["hall-edge"], ["0600"])
    assert socket["TriggerLimitIntervalSec"] == ["0"]

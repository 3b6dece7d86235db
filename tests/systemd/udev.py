"""udev's own engine on our rules: ``udevadm test`` of a device that umockdev shows, beside Debian's rules.

It runs in a user and mount namespace of its own, where the group ``hall-edge`` exists and ``/dev`` is empty: udevadm
makes the links that the rules ask for.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.project import ROOT

RULES = ROOT / "systemd" / "70-hall-edge.rules"
BUS = "/devices/pci0000:00/0000:00:14.0/usb1"
GROUP = 4242
HOST = (
    "P: /devices/pci0000:00/0000:00:14.0\nE: SUBSYSTEM=pci\nE: DRIVER=xhci_hcd\nA: vendor=0x8086\nA: device=0x1e31\n\n"
    f"P: {BUS}\nE: DEVTYPE=usb_device\nE: SUBSYSTEM=usb\nA: bDeviceClass=09\nA: busnum=1\nA: devnum=1\n\n"
)
"""What every device hangs on."""
_APART = ["unshare", "--user", "--map-root-user", "--mount"]
_STAGE = """
set -e
cp -r {work}/rules {work}/run-rules
printf 'root:x:0:\\nhall-edge:x:{group}:\\ndialout:x:20:\\nvideo:x:44:\\ninput:x:999:\\n' >{work}/group
mount --bind {work}/group /etc/group
mkdir {work}/dev
for one in null zero random urandom; do : >{work}/dev/$one; mount --bind /dev/$one {work}/dev/$one; done
mount --rbind {work}/dev /dev
mount -t tmpfs none /run
mkdir -p /run/udev
mv {work}/run-rules /run/udev/rules.d
exec umockdev-run -d {work}/device -- udevadm test --action=add {path}
"""


@dataclass(frozen=True)
class Processed:
    """What udev did with a device."""

    group: str | None
    mode: str | None
    links: tuple[str, ...]
    properties: dict[str, str]
    written: dict[str, str]
    """Attributes in sysfs, by their names."""
    complaints: tuple[str, ...]
    """What it said of our rules' syntax."""


def process(
    work: Path, records: str, path: str, more: str = "", rules: Path = RULES, before: Path | None = None
) -> Processed:
    """Let udev process the device at *path*, in the empty folder *work*.

    *more* are an administrator's rules, *before* a file of rules that is read before ours.
    """
    folder = work / "rules"
    folder.mkdir(parents=True)
    (folder / "70-hall-edge.rules").write_text(rules.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "71-window.rules").write_text(more + "\n", encoding="utf-8")
    if before is not None:
        (folder / before.name).write_text(before.read_text(encoding="utf-8"), encoding="utf-8")
    (work / "device").write_text(HOST + records, encoding="utf-8")
    script = _STAGE.format(work=work, group=GROUP, path=f"/sys{path}")
    done = subprocess.run(
        [*_APART, "sh", "-c", script],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Reading rules file: /run/udev/rules.d/70-hall-edge.rules" in said
    return _read(said)


def _read(said: str) -> Processed:
    ours = r"/run/udev/rules\.d/\d+-[\w-]+\.rules:\d+ "
    told = re.findall(r"(?m)^\S+: \S+\.rules:\d+ (GROUP|MODE) (\S+)$", said)
    last = dict(told)
    written = re.findall(rf"(?m)^\S+: {ours}ATTR '(\S+)' writing '(.*)'$", said)
    properties = dict(re.findall(r"(?m)^([A-Z.][\w.]*|libsane_matched)=(.*)$", said))
    group = {str(GROUP): "hall-edge", "20": "dialout", "44": "video", "999": "input"}
    return Processed(
        group=group.get(last["GROUP"]) if "GROUP" in last else None,
        mode=last.get("MODE"),
        links=tuple(properties.get("DEVLINKS", "").split()),
        properties=properties,
        written={name.rpartition("/")[2]: value for name, value in written},
        complaints=tuple(line for line in said.splitlines() if re.match(ours, line)),
    )


def usb(port: str, ids: str, *, serial: str | None = None, product: str = "Thing", more: str = "") -> str:
    """Return a USB device with one interface as umockdev reads it; *more* are lines of the device."""
    vendor, model = ids.split(":")
    number = f"A: serial={serial}\n" if serial else ""
    return (
        f"P: {BUS}/{port}\nE: DEVTYPE=usb_device\nE: SUBSYSTEM=usb\nE: DEVNAME=/dev/bus/usb/001/007\n"
        f"E: MAJOR=189\nE: MINOR=6\nE: BUSNUM=001\nE: DEVNUM=007\nA: bDeviceClass=00\nA: busnum=1\nA: devnum=7\n"
        f"A: idVendor={vendor}\nA: idProduct={model}\nA: product={product}\n{number}A: power/control=auto\n{more}\n"
        f"P: {BUS}/{port}/{port}:1.0\nE: DEVTYPE=usb_interface\nE: SUBSYSTEM=usb\nE: DRIVER=x\n"
        f"A: bInterfaceNumber=00\nA: bInterfaceClass=ff\nA: bInterfaceSubClass=00\nA: bInterfaceProtocol=00\n\n"
    )


def node(port: str, subsystem: str, below: str, name: str, number: str, more: str = "") -> tuple[str, str]:
    """Return a node below the interface of a USB device as umockdev reads it, and its path."""
    path = f"{BUS}/{port}/{port}:1.0/{below}"
    major, minor = number.split(":")
    text = (
        f"P: {path}\nE: SUBSYSTEM={subsystem}\nE: DEVNAME=/dev/{name}\nE: MAJOR={major}\nE: MINOR={minor}\n"
        f"A: dev={number}\n{more}\n"
    )
    return text, path

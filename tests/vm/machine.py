"""One virtual machine: QEMU as a child process, its disk, its monitor, its guest.

It is emulated (TCG) even where ``/dev/kvm`` can be opened: not every hypervisor that offers it runs a Debian kernel.
Its clock counts instructions, one a nanosecond while it works, and follows ours while it rests: to itself it is a PC
with one slow core, however busy this machine is. So times that are measured inside are worth something.

The guest's network leads nowhere but to us: ssh comes in, and what the guest sends to the broker's address comes out
at a port of this machine.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

from tests.support.broker import free_port
from tests.support.wait import wait_until
from tests.vm.guest import Guest
from tests.vm.image import Image
from tests.vm.qmp import Monitor, MonitorError

BROKER_ADDRESS = "10.0.2.100"
BROKER_NAME = "broker.hall.example"
"""The guest's hosts file gives it that address."""

MACHINE = "v1"
"""Part of the name of kept snapshots: change it with the command below."""

_KEEPER = ("unshare", "--pid", "--fork", "--kill-child")
"""A process space of its own: what QEMU starts for the guest's connections ends with it."""
_PIPE = Path(__file__).with_name("pipe.py")
_KERNEL = "root=/dev/vda rw console=ttyS0 quiet mitigations=off systemd.show_status=0 random.trust_cpu=on nokaslr"


class Machine:
    """A machine whose files are in *folder*, a short path; *ports* are the guest's ports of the broker and ours."""

    def __init__(self, folder: Path, image: Image, ports: dict[int, int]) -> None:
        self.folder = folder
        self.disk = folder / "disk.qcow2"
        self._image = image
        self._ports = ports
        self._keeper: subprocess.Popen[bytes] | None = None
        self.guest: Guest

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    @property
    def running(self) -> bool:
        return self._keeper is not None and self._keeper.poll() is None

    @property
    def console(self) -> str:
        """What the guest's console said since the last start."""
        return (self.folder / "console.log").read_text("utf-8", "replace")

    def new_disk(self, like: Path | None = None) -> None:
        """Begin with a fresh disk, or with a copy of another machine's and the snapshots in it."""
        if like is not None:
            shutil.copy(like, self.disk)
            return
        command: list[str | Path] = [
            "qemu-img",
            "create",
            "-q",
            "-f",
            "qcow2",
            "-F",
            "raw",
            "-b",
            self._image.disk,
            self.disk,
        ]
        subprocess.run(command, check=True)

    def start(self, snapshot: str | None = None) -> Guest:
        """Switch on, or go on where *snapshot* was taken; return the guest when it lets us in."""
        if self.running:
            raise AssertionError("the machine runs already")
        port = free_port()
        command = [*self._command(port), *(["-loadvm", snapshot] if snapshot else [])]
        with (self.folder / "qemu.log").open("ab") as log:
            self._keeper = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.guest = Guest(self.folder, self._image.key, port)
        try:
            self.guest.connect()
        except AssertionError as error:
            said = (self.folder / "qemu.log").read_text("utf-8", "replace")
            raise AssertionError(f"{error}\n{said[-2000:]}\n{self.console[-2000:]}") from None
        if snapshot:
            self.guest.run(f"date --utc --set=@{time.time():.3f}")  # it is as late as the snapshot is old
        return self.guest

    def cut(self) -> None:
        """Cut the power: SIGKILL to QEMU, and nothing before it. Idempotent."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            for qemu in Path(f"/proc/{keeper.pid}/task/{keeper.pid}/children").read_text("ascii").split():
                os.kill(int(qemu), signal.SIGKILL)
            keeper.wait()
            self.guest.disconnect()

    def ask(self, command: str, **arguments: Any) -> Any:
        """Give QEMU's monitor a command."""
        with Monitor(self.folder / "monitor") as monitor:
            return monitor.ask(command, **arguments)

    def save(self, snapshot: str) -> None:
        """Keep the whole state of the running machine under a name, in its disk."""
        self.guest.run("sync")
        with Monitor(self.folder / "monitor") as monitor:
            monitor.human(f"savevm {snapshot}")

    def plug(self, name: str, driver: str, backend: dict[str, Any] | None = None, **properties: Any) -> None:
        """Plug a device in; *backend* is what its bytes come from (a QEMU character device)."""
        if backend is not None:
            self.ask("chardev-add", id=f"{name}-bytes", backend=backend)
            properties["chardev"] = f"{name}-bytes"
        self.ask("device_add", id=name, driver=driver, **properties)

    def unplug(self, name: str) -> None:
        """Pull a device out, and what is plugged into it."""
        self.ask("device_del", id=name)

    def free(self, name: str) -> None:
        """Take away the bytes of a device that was pulled out, when QEMU has let go of them."""

        def freed() -> bool:
            try:
                self.ask("chardev-remove", id=f"{name}-bytes")
            except MonitorError as error:
                if "busy" in str(error):
                    return False
                raise
            return True

        wait_until(freed, 10.0, f"QEMU lets go of {name}")

    def _command(self, ssh_port: int) -> list[str]:
        forwards = "".join(
            f",guestfwd=tcp:{BROKER_ADDRESS}:{guest}-cmd:{sys.executable} {_PIPE} {ours}"
            for guest, ours in self._ports.items()
        )
        network = f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{ssh_port}-:22{forwards}"
        disk = f"driver=qcow2,node-name=root,file.driver=file,file.filename={self.disk}"
        image = self._image
        return [
            *_KEEPER, "nice", "-n", "15", "qemu-system-x86_64",
            "-accel", "tcg,thread=single,tb-size=512", "-icount", "shift=0",
            "-machine", "q35", "-cpu", "max,la57=off", "-m", "1536", "-smp", "1", "-nodefaults", "-no-user-config",
            "-display", "none", "-kernel", f"{image.kernel}", "-initrd", f"{image.initrd}", "-append", _KERNEL,
            "-blockdev", disk, "-device", "virtio-blk-pci,drive=root",
            "-netdev", network, "-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci",
            "-device", "qemu-xhci,id=usb,p2=8,p3=8", "-serial", f"file:{self.folder}/console.log",
            "-qmp", f"unix:{self.folder}/monitor,server=on,wait=off",
        ]  # fmt: skip

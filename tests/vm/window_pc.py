"""A window's PC in the lab: the machine with the package, its broker and its back office outside, its devices."""

from __future__ import annotations

import json
import shlex
import tarfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any, Self

from edge.sealing.jwe import new_key, public_jwk
from simulators.bench import Bench
from tests.support.authority import Authority
from tests.support.broker import Broker, free_port
from tests.support.office import Office
from tests.support.project import ROOT
from tests.support.wait import wait_until
from tests.support.wiretap import BASE, HALL, WINDOW, Requested, Wiretap
from tests.vm.devices import ALLOWED, INIT, INSIDE, SERIAL, Simulators, wait_nodes
from tests.vm.guest import Guest
from tests.vm.image import Image
from tests.vm.machine import BROKER_NAME, Machine
from tests.vm.vscard import CardSlot

OFFICE = "back-office"
CONFIG = "/etc/hall-edge/hall-edge.toml"
PORT, TLS_PORT = 1883, 8883
READY_S = 600.0
ASK = "python3 -SE /opt/lab/tests/vm/inside/ask.py"
_DEADLINE_S = 120.0
_KEY = f"/etc/hall-edge/{OFFICE}.pub.jwk"


class WindowPC:
    """One PC; *disk* holds the snapshots that it can start from. A context manager, which ends all of it."""

    def __init__(self, folder: Path, image: Image, disk: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        (folder / "broker").mkdir()
        (folder / "machine").mkdir()
        self.authority = Authority(folder / "authority")
        tls_port = free_port()
        extra = [
            f"listener {tls_port} 127.0.0.1",
            "tls_version tlsv1.3",
            "require_certificate true",
            *self._tls_files(),
        ]
        self.broker = self._stack.enter_context(Broker(folder / "broker", persistent=True, extra=extra))
        ports = {PORT: self.broker.port, TLS_PORT: tls_port}
        self.machine = self._stack.enter_context(Machine(folder / "machine", image, ports))
        self.machine.new_disk(like=disk)
        self.tap = Wiretap(self.broker.port)
        self._stack.callback(self.tap.close)
        self.bench = self._stack.enter_context(Bench(folder / "ports"))
        self.bench.add("id-1", "idcard_sdt")
        key = new_key()
        self.key = folder / f"{OFFICE}.jwk"
        self.key.write_text(json.dumps(key.as_dict(private=True)), encoding="utf-8")
        self.key.chmod(0o600)
        self._public = json.dumps(public_jwk(key))
        self._card_reader = self._stack.enter_context(ExitStack())
        self._heard = 0
        self.guest: Guest
        self.simulators: Simulators
        self.slot: CardSlot

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self, snapshot: str | None = None) -> Guest:
        """Switch the PC on."""
        self.guest = self.machine.start(snapshot)
        return self.guest

    def office(self) -> Office:
        """Return a back office, as a context manager, that opens what is sealed and acknowledges everything."""
        place = self.folder / "office"
        place.mkdir(exist_ok=True)
        return Office(f"mqtt://127.0.0.1:{self.broker.port}", OFFICE, HALL, [self.key], place)

    def _tls_files(self) -> list[str]:
        own = self.authority.issue("broker", hosts=(BROKER_NAME,))
        return [f"cafile {self.authority.ca}", f"certfile {own.certificate}", f"keyfile {own.key}"]

    # -- as an administrator does it ------------------------------------------------------------------

    def set_up(self, names: Sequence[str] = tuple(INIT)) -> None:
        """Plug these devices in, configure the window, start it, and wait until all of them work."""
        self._plug_in_inside(names)
        self.init(names)
        self.guest.put(ALLOWED, "/etc/systemd/system/hall-edge.service.d/lab.conf")
        self.guest.run("systemctl daemon-reload && systemctl enable --now hall-edge.service", limit_s=READY_S)
        if "id-1" in names:
            self.plug_reader()
        if "card-1" in names:
            self.plug_card_reader()
        self.wait_ready(*names)

    def plug_in(self, names: Sequence[str]) -> None:
        """Plug these devices in; the ID-card reader too, when it is among them."""
        self._plug_in_inside(names)
        if "id-1" in names:
            self.plug_reader()

    def _plug_in_inside(self, names: Sequence[str]) -> None:
        """Plug in those that are simulated inside."""
        self.put_lab()
        inside = [name for name in names if name in INSIDE]
        if inside:
            self.simulators = self._stack.enter_context(Simulators(self.guest, inside))
            wait_nodes(self.guest, inside)

    def init(self, names: Sequence[str], *, lab: bool = True) -> None:
        """Write the configuration with `hall-edge init`; without *lab* with this window's certificate."""
        self.guest.put(self._public, _KEY)
        url = f"mqtt://{BROKER_NAME}:{PORT}" if lab else f"mqtts://{BROKER_NAME}:{TLS_PORT}"
        words = ["hall-edge", "init", "--yes", "--force", "--lang", "en", "--hall", HALL, "--window", WINDOW]
        words += ["--broker", url, "--subscriber", f"{OFFICE}={_KEY}", *(["--lab"] if lab else [])]
        devices = [f"name={name} {INIT[name]}" for name in names] or ["none"]
        words += [word for device in devices for word in ("--device", device)]
        self.guest.run(shlex.join(words), limit_s=READY_S)
        # A keep-alive of the guest's seconds is one of our minutes.
        self.change("keepalive_s", "300")
        self.change("allow", '["read", "test", "act"]')

    def change(self, key: str, value: str) -> None:
        """Give a key of the configuration a value, where `hall-edge init` has left its default as a remark."""
        line = f"0,/^#{key} = /s/^#{key} = .*/{key} = {value}/"
        self.guest.run(f"sed -i {shlex.quote(line)} {CONFIG} && grep -q '^{key} = ' {CONFIG}")

    def put_lab(self) -> None:
        """Bring the lab's own scripts into the guest."""
        packed = BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for name in ("__init__.py", *(f"inside/{path.name}" for path in (ROOT / "tests/vm/inside").glob("*.py"))):
                archive.add(ROOT / "tests/vm" / name, f"tests/vm/{name}")
        self.guest.run("mkdir -p /opt/lab && tar -xf - -C /opt/lab", data=packed.getvalue())

    # -- plugs ----------------------------------------------------------------------------------------

    def plug_reader(self) -> None:
        """Plug the ID-card reader in, behind a USB-serial bridge."""
        backend = {"type": "serial", "data": {"device": str(self.bench.directory / "id-1")}}
        self.machine.plug("reader", "usb-serial", backend, bus="usb.0", serial=SERIAL)

    def unplug_reader(self) -> None:
        self.machine.unplug("reader")
        self.machine.free("reader")

    def plug_card_reader(self) -> None:
        """Plug the smart-card reader in; cards go into :attr:`slot`."""
        path = self.folder / "card"
        address = {"type": "unix", "data": {"path": str(path)}}
        self.machine.plug("ccid", "usb-ccid", bus="usb.0", serial="CCID0001")
        backend = {"type": "socket", "data": {"addr": address, "server": True, "wait": False}}
        self.machine.plug("card", "ccid-card-passthru", backend, bus="ccid.0")
        self.slot = self._card_reader.enter_context(CardSlot(path))

    def unplug_card_reader(self) -> None:
        self._card_reader.close()
        self.machine.unplug("ccid")
        self.machine.free("card")

    # -- what it says ---------------------------------------------------------------------------------

    def forget(self) -> None:
        """Count only what is heard from now on: the broker keeps what a window said in its life before."""
        self._heard = len(self.tap.messages)

    def states(self) -> dict[str, str]:
        """Return the last state of each device, as the broker heard it."""
        found = {}
        for topic, payload, _ in self.tap.messages[self._heard :]:
            place = topic.removeprefix(f"{BASE}/device/").split("/")
            if place[1:] == ["status"] and payload and "state" in (said := json.loads(payload)):  # else a probe
                found[place[0]] = said["state"]
        return found

    def life(self) -> tuple[str, str]:
        """Return which start of the daemon was last online."""
        online = [(said["boot"], said["since"]) for said in self.tap.on("status") if said["state"] == "online"]
        return online[-1] if online else ("", "")

    def wait_ready(self, *names: str, deadline_s: float = READY_S) -> None:
        """Wait until these devices are ready, or busy."""

        def ready() -> bool:
            states = self.states()
            return all(states.get(name) in ("ready", "busy") for name in names)

        try:
            wait_until(ready, deadline_s, f"ready: {', '.join(names)}")
        except AssertionError as error:
            said = self.guest.attempt("journalctl -n 60 --no-pager -o short-monotonic")[1]
            raise AssertionError(f"{error}\n{self.states()}\n{said}") from None

    def wait_state(self, name: str, state: str, deadline_s: float = READY_S) -> None:
        wait_until(lambda: self.states().get(name) == state, deadline_s, f"{name} is {state}")

    def request(self, device: str, command: str, params: object) -> Requested:
        """Send a request, as a back office does whose clock is that of the guest, which is slower than ours."""
        behind_s = time.time() - float(self.guest.run("date +%s.%N"))
        return Requested(self.tap, device, command, params, deadline_s=_DEADLINE_S - behind_s)

    def journal(self, options: str = "-u hall-edge.service") -> list[dict[str, Any]]:
        """Return entries of the guest's journal, with all their fields."""
        said = self.guest.run(f"journalctl --no-pager -o json --all {options}", limit_s=READY_S)
        return [json.loads(line) for line in said.splitlines() if line.startswith("{")]

    def status(self) -> dict[str, Any]:
        """Return what the daemon says of itself on its control socket."""
        found: dict[str, Any] = json.loads(self.guest.run(f"{ASK} status"))
        return found

    def main_pid(self) -> int:
        return int(self.guest.run("systemctl show -P MainPID hall-edge.service"))

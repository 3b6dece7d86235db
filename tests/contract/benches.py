"""What the contract suite has to know about each driver: one entry a driver, ours here, a vendor's by ``--bench``.

A vendor tests a driver of his own with an entry in a module of his::

    pytest tests/contract --bench their_package.contract:BENCH
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from edge.driver import Driver, Settings
from edge.errors import DeviceError
from edge.events import Capture, Evaluate, Params, ReadCard, ReadSmartCard, Scan
from edge.lanes.process import RemoteDriver
from edge.lanes.spawn import ProcessFault
from edge.registry import Registry
from simulators.bench import Bench
from tests.support.saned import saned


class Hand(Protocol):
    """Does at a device what a person does: *line* is for the device's simulator."""

    def do(self, line: str) -> None: ...


@dataclass(frozen=True)
class Attached:
    """A device that is there now."""

    address: str
    """As in the configuration: ``serial:///…``, ``escl://…``."""
    hand: Hand
    unplug: Callable[[], None] = lambda: None
    """Takes the device away; a line needs none, its cable is pulled."""
    plug: Callable[[], None] = lambda: None
    """Brings it back at the same address."""


Attach = Callable[[Path], AbstractContextManager[Attached]]
"""Makes a device appear while the context lasts. A line's node stands at the path; others may use it as they like."""


class DriverBench(msgspec.Struct, frozen=True, kw_only=True):
    """How to test one driver."""

    name: str
    driver: str | type[Driver]
    """A shipped driver's name, or the class itself."""
    attach: Attach
    line: bool = True
    """Whether the device hangs on a serial line: the suite then has a cable of its own, to pull, cut and disturb."""
    absent: str = ""
    """An address at which no device is; a line needs none."""
    notices_s: float = 2.0  # within this a poll finds out that the device was taken away
    settings: Mapping[str, Any] = {}
    alive: Literal["answers", "beats", "silent"]
    """How the driver knows that its device lives: it answers, it says something every ``proof_s``, or not at all."""
    event: tuple[str, ...]
    """The lines that make the device say something that becomes an event."""
    command: Params | None = None
    """A command that waits for a person, for 10 s at least."""
    event_by_command: bool | str = False
    """Whether *event* is one only while *command* runs; or what that reports when it waits for the person."""
    patient: Mapping[str, Any] = {}
    """Settings with which a poll waits for at least 2 s when nothing happens."""
    personal: Mapping[str, Any] | None = None
    """Settings with which events carry a person's data, if the driver has such."""
    people: tuple[str, ...] = ()
    """Lines that show a person to the device; their data may appear nowhere but in sealed fields."""
    may_end_with: tuple[type[DeviceError], ...] = ()
    """What else than ``DeviceLost`` a command may end with when the cable is pulled: a library that crashes then."""
    pictures: bool = False
    """Whether a person's data is only in pictures: *people* may then be empty."""

    @property
    def driver_type(self) -> type[Driver]:
        return Registry().load(self.driver) if isinstance(self.driver, str) else self.driver

    def made(self, port: Any, settings: Mapping[str, Any] | None = None) -> Driver:
        """Return the driver as its lane has it, not opened yet."""
        if self.driver_type.lane == "process":
            remote = RemoteDriver(self.driver_type, self.checked(settings), port)
            remote.longest_wait_s = float("inf")  # what ends a poll early is to be seen
            return remote
        return self.bare(port, settings)

    def bare(self, port: Any, settings: Mapping[str, Any] | None = None) -> Driver:
        """Return the driver itself, not opened yet."""
        return self.driver_type(self.checked(settings), port)

    def checked(self, settings: Mapping[str, Any] | None = None) -> Settings:
        """Return the entry's settings and *settings* on top."""
        checked: Settings = msgspec.convert({**self.settings, **(settings or {})}, self.driver_type.settings_type)
        assert checked.problems() == {}
        return checked


class _OnBench:
    def __init__(self, bench: Bench, device: str) -> None:
        self._bench = bench
        self._device = device

    def do(self, line: str) -> None:
        self._bench.do(f"{self._device} {line}")


def simulated(model: str, **options: object) -> Attach:
    """Attach a device of the package ``simulators`` that hangs on a serial line."""

    @contextmanager
    def attach(node: Path) -> Iterator[Attached]:
        with Bench(node.parent) as bench:
            bench.add(node.name, model, **options)
            hand = _OnBench(bench, node.name)
            yield Attached(f"serial://{node}", hand, lambda: hand.do("unplug"), lambda: hand.do("plug"))

    return attach


def served(model: str, **options: object) -> Attach:
    """Attach a device of the package ``simulators`` that is a server, at the address that it tells."""

    @contextmanager
    def attach(node: Path) -> Iterator[Attached]:
        with Bench(node.parent) as bench:
            bench.add(node.name, model, **options)
            hand = _OnBench(bench, node.name)
            yield Attached(bench.address(node.name), hand, lambda: hand.do("unplug"), lambda: hand.do("plug"))

    return attach


class _Nobody:
    """A scanner's own page lies on its glass: there is nothing to do."""

    def do(self, line: str) -> None:
        assert line == "wait"


@contextmanager
def _shared_scanner(node: Path) -> Iterator[Attached]:
    with saned(node.parent) as server:
        yield Attached(server.address, _Nobody(), server.unplug, server.plug)


def _pad(profile: str, alive: Literal["answers", "beats", "silent"], *event: str) -> DriverBench:
    return DriverBench(
        name=f"pad_serial-{profile}",
        driver="pad_serial",
        attach=simulated("pad_serial", profile=profile),
        settings={"profile": profile},
        alive=alive,
        event=event,
        command=Evaluate(timeout_s=60),
        event_by_command=True,
    )


def _hid_pad(kind: str, *event: str) -> DriverBench:
    return DriverBench(
        name=f"pad_hid-{kind}",
        driver="pad_hid",
        attach=served("pad_hid", kind=kind),
        line=False,
        absent="hid:///dev/hall-edge/absent",
        settings={"profile": f"hid_{kind}"},
        alive="silent",
        event=event,
        command=Evaluate(timeout_s=60),
        event_by_command=True,
    )


def _usb_reader(name: str, layout: str) -> DriverBench:
    return DriverBench(
        name=f"idcard_sdt-{name}",
        driver="idcard_sdt",
        attach=served("idcard_usb", layout=layout),
        line=False,
        absent="usbip://127.0.0.1:9/1-1",
        settings={"find_interval_s": 0.05},
        alive="answers",
        event=("insert resident seed=1",),
        command=ReadCard(),
        patient={"find_interval_s": 5.0},
        personal={"read": "full", "purpose": "contract"},
        people=("insert resident seed=2 long=1 bad-check=1 addresses=2", "insert Y seed=3"),
    )


BENCHES = (
    DriverBench(
        name="scanner_escl",
        driver="scanner_escl",
        attach=served("scanner_escl", sensor=0, **{"takes-empty": 1}),
        line=False,
        absent="escl://127.0.0.1:9/eSCL",
        settings={"status_interval_s": 0.2},
        alive="answers",
        event=("load 1",),
        command=Scan(source="feeder", dpi=75, color="gray", size="a5"),
        event_by_command=True,
        patient={"status_interval_s": 2.5},
        notices_s=4.0,
        personal={},
        pictures=True,
    ),
    DriverBench(
        name="idcard_sdt",
        driver="idcard_sdt",
        attach=simulated("idcard_sdt"),
        settings={"find_interval_s": 0.05},
        alive="answers",
        event=("insert resident seed=1",),
        command=ReadCard(),
        patient={"find_interval_s": 5.0},
        personal={"read": "full", "purpose": "contract"},
        people=("insert resident seed=2 long=1 bad-check=1 addresses=2", "insert Y seed=3"),
    ),
    _usb_reader("usb2", "two-pair"),
    _usb_reader("usb1", "one-pair"),
    _hid_pad("keys", "press 4"),
    _hid_pad("reports", "wait-request", "press 2"),
    DriverBench(
        name="camera_uvc",
        driver="camera_uvc",
        attach=served("camera_uvc", width=640, height=480, fps=15),
        line=False,
        absent="http://127.0.0.1:9/camera.mjpg",
        notices_s=3.0,
        settings={"settle_s": 0.1},
        alive="beats",
        event=("place page=2",),
        command=Capture(shots=2, codes=False),
        event_by_command="change-page",
        personal={},
        pictures=True,
    ),
    DriverBench(
        name="scanner_sane",
        driver="scanner_sane",
        attach=_shared_scanner,
        line=False,
        absent="sane:no_such_backend:0",
        notices_s=9.0,
        may_end_with=(ProcessFault,),  # libsane's own network client, when its server dies
        settings={"probe_s": 0.3, "options": {"read-delay": True, "read-delay-duration": 30_000}},
        patient={"probe_s": 3.0},
        alive="answers",
        event=("wait",),
        command=Scan(source="platen", color="gray", dpi=100, size="a5"),
        event_by_command=True,
        personal={},
        pictures=True,
    ),
    DriverBench(
        name="card_pcsc",
        driver="card_pcsc",
        attach=served("card_pcsc"),
        line=False,
        absent="pcsc:?socket=/nowhere/pcscd.comm",
        notices_s=4.0,
        alive="answers",
        event=("insert storage",),
        command=ReadSmartCard(),
        personal={"read": "full", "purpose": "contract"},
        people=("insert social-security seed=2 bad-check=1",),
    ),
    _pad("aa55_xor", "silent", "wait-request", "press 4"),
    _pad("stx_len16", "silent", "wait-request", "press 2 reasons=401"),
    _pad("addressable", "beats", "wait-request", "press 5"),
    _pad("ascii_keys", "silent", "press 1"),
    DriverBench(
        name="code_serial",
        driver="code_serial",
        attach=simulated("code_serial"),
        alive="silent",
        event=("scan SIM-000001",),
        personal={},
        people=("scan 000000199001010015虚构甲乙", "scan 虚构市样例路01号 encoding=gb18030"),
    ),
)


def find(name: str) -> DriverBench:
    """Return the entry *name*: one of ours, or ``MODULE:ATTRIBUTE``."""
    module, colon, attribute = name.partition(":")
    if colon:
        found: DriverBench = getattr(import_module(module), attribute)
        return found
    return next(bench for bench in BENCHES if bench.name == name)

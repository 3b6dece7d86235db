"""What the contract suite has to know about each driver: one entry a driver, ours here, a vendor's by ``--bench``.

A vendor tests a driver of his own with an entry in a module of his::

    pytest tests/contract --bench their_package.contract:BENCH
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from edge.driver import Driver, Settings
from edge.events import Evaluate, Params, ReadCard
from edge.registry import Registry
from simulators.bench import Bench


class Hand(Protocol):
    """Does at a device what a person does: *line* is for the device's simulator."""

    def do(self, line: str) -> None: ...


Attach = Callable[[Path], AbstractContextManager[Hand]]
"""Makes a device appear at the path, a serial node or a link to one, while the context lasts."""


class DriverBench(msgspec.Struct, frozen=True, kw_only=True):
    """How to test one driver."""

    name: str
    driver: str | type[Driver]
    """A shipped driver's name, or the class itself."""
    attach: Attach
    settings: Mapping[str, Any] = {}
    alive: Literal["answers", "beats", "silent"]
    """How the driver knows that its device lives: it answers, it says something every ``proof_s``, or not at all."""
    event: tuple[str, ...]
    """The lines that make the device say something that becomes an event."""
    command: Params | None = None
    """A command that waits for a person, for 10 s at least."""
    event_by_command: bool = False
    """Whether *event* is one only while *command* runs."""
    patient: Mapping[str, Any] = {}
    """Settings with which a poll waits for at least 2 s when nothing happens."""
    personal: Mapping[str, Any] | None = None
    """Settings with which events carry a person's data, if the driver has such."""
    people: tuple[str, ...] = ()
    """Lines that show a person to the device; their data may appear nowhere but in sealed fields."""

    @property
    def driver_type(self) -> type[Driver]:
        return Registry().load(self.driver) if isinstance(self.driver, str) else self.driver

    def made(self, port: Any, settings: Mapping[str, Any] | None = None) -> Driver:
        """Return the driver, not opened yet."""
        kind = self.driver_type
        checked: Settings = msgspec.convert({**self.settings, **(settings or {})}, kind.settings_type)
        assert checked.problems() == {}
        return kind(checked, port)


class _OnBench:
    def __init__(self, bench: Bench, device: str) -> None:
        self._bench = bench
        self._device = device

    def do(self, line: str) -> None:
        self._bench.do(f"{self._device} {line}")


def simulated(model: str, **options: object) -> Attach:
    """Attach a device of the package ``simulators``."""

    @contextmanager
    def attach(node: Path) -> Iterator[Hand]:
        with Bench(node.parent) as bench:
            bench.add(node.name, model, **options)
            yield _OnBench(bench, node.name)

    return attach


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


BENCHES = (
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

"""The brokers of a fleet: set up by the shipped recipe, one, or a hall's bridged to its district's; or plain."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.broker.recipe import HALL, Authority, RecipeBroker, bridged
from tests.broker.window import HallWindow
from tests.support.broker import HOST, Broker

OFFICE = "case-system"
QUIET = ("log_type none", "log_type error")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Ground:
    """*below* is where windows connect, *above* where the back office does; *authority* is none without TLS."""

    folder: Path
    below: Broker
    above: Broker
    authority: Authority | None = None
    daemons: list[HallWindow] = field(default_factory=list)

    @property
    def brokers(self) -> list[Broker]:
        return [self.below] if self.below is self.above else [self.below, self.above]

    @property
    def ca(self) -> str | None:
        return str(self.authority.folder) if self.authority else None

    @property
    def url(self) -> str:
        return f"{'mqtts' if self.authority else 'mqtt'}://{HOST}:{self.above.port}"


def authority_of(folder: Path, windows: int, daemons: int) -> Authority:
    """Return a CA that has issued a certificate to every window."""
    authority = Authority(folder)
    authority.ca("window", "-", lines=[f"{HALL}/{name}" for name in [*names(windows), *real_names(daemons)]])
    authority.ca("bridge", HALL)
    return authority


def names(windows: int) -> list[str]:
    return [f"s{number:04}" for number in range(windows)]


def real_names(daemons: int) -> list[str]:
    return [f"real{number}" for number in range(daemons)]


@contextmanager
def standing(folder: Path, kind: str, authority: Authority | None, daemons: int) -> Iterator[Ground]:
    """Lend brokers that run, of the *kind* single, bridged or plain, with *daemons* real ones (not when plain)."""
    folder.mkdir()
    with ExitStack() as stack:
        if authority is None or kind == "plain":
            broker = stack.enter_context(Broker(folder, persistent=True, extra=QUIET))
            yield Ground(folder, broker, broker)
            return
        if kind == "bridged":
            below, above = stack.enter_context(bridged(folder, authority))
        else:
            below = above = stack.enter_context(RecipeBroker(folder / "broker", authority))
        ground = Ground(folder, below, above, authority)
        for name in real_names(daemons):
            window = HallWindow(folder / name, name, authority, below, content="public")
            stack.callback(window.close)
            ground.daemons.append(window)
        for window in ground.daemons:
            window.start()
        yield ground


def cpu_s(brokers: Sequence[Broker]) -> list[float]:
    """Return the processor time that each has used."""
    return [sum(int(field) for field in _stat(broker)[11:13]) / _TICKS for broker in brokers]


def resident_mib(brokers: Sequence[Broker]) -> list[float]:
    """Return how much memory each holds."""
    return [int(_stat(broker)[21]) * os.sysconf("SC_PAGE_SIZE") / 2**20 for broker in brokers]


def _stat(broker: Broker) -> list[str]:
    assert broker.process is not None
    text = Path(f"/proc/{broker.process.pid}/stat").read_text(encoding="ascii")
    return text.rpartition(")")[2].split()

"""No citizen's data anywhere but in an event's sealed fields, whatever goes wrong while a citizen is read.

Citizens of ``simulators.people`` are the canaries; they are looked for in every form that ``canaries.forms`` knows.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from edge import logs
from edge.driver import Driver
from edge.errors import EdgeError
from edge.events import Payload
from tests.contract.desk import Desk
from tests.contract.harness import HarnessPort, causes, polled
from tests.support import canaries

FEW_S = 1.0


class Fault:
    """Something that happens to what the device says."""

    def __init__(self, name: str, spoil: Callable[[bytes], bytes] = lambda data: data, cut: int | None = None) -> None:
        self.name = name
        self.spoil = spoil
        self.cut = cut


def flipped(at: int) -> Callable[[bytes], bytes]:
    """Return what turns over a byte in everything that is long enough to be about a person."""
    return lambda data: data[:at] + bytes((data[at] ^ 0xFF,)) + data[at + 1 :] if len(data) > at else data


NONE = Fault("none")
FAULTS = [
    Fault("head", flipped(9)),
    Fault("middle", flipped(40)),
    Fault("broken off", lambda data: data[:200] if len(data) > 200 else data[:-3] if len(data) > 30 else data),
    Fault("doubled", lambda data: data + data),
    Fault("backwards", lambda data: data[:20] + data[:19:-1]),
    Fault("noise before", lambda data: bytes(range(200, 240)) + data),
    Fault("pulled", cut=150),
    Fault("pulled early", cut=31),
]


def read_people(desk: Desk, fault: Fault, told: list[tuple[str, bytes]]) -> list[Payload]:
    """Let every person come while *fault* happens; add what the driver and its errors show to *told*."""
    seen: list[Payload] = []
    for line in desk.bench.people:
        desk.plug()
        driver, port = desk.opened(desk.bench.personal)
        if desk.bench.line:
            desk.cable.spoil(fault.spoil)
        if fault.cut is not None:
            desk.cable.cut_after(fault.cut)
        try:
            read_one(desk, driver, port, line, seen)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is searched
            for one in causes(error):
                told += [("an error", shown(one)), ("its arguments", repr(one.args).encode())]
            told.append(("a traceback", "".join(traceback.format_exception(error)).encode()))
            desk.problems += [one for one in causes(error) if not isinstance(one, EdgeError | OSError)]
        told += [("the driver", shown(driver)), ("its settings", shown(driver.settings)), ("its port", shown(port))]
        if desk.bench.line:
            desk.cable.spoil()
        driver.close()
    told += [("an event", shown(event)) for event in seen]
    return seen


def read_one(desk: Desk, driver: Driver, port: HarnessPort, line: str, seen: list[Payload]) -> None:
    """Let one person come, then nothing more happen for a moment."""
    desk.do(line)
    end = port.monotonic() + FEW_S
    while port.monotonic() < end and not any(event.hidden() for event in seen):
        polled(driver, lambda _: False, 0.1, into=seen)
    if desk.bench.command is not None:
        call, found = desk.execute(driver, port, desk.job(port, 0.3))
        with suppress(EdgeError):
            call.result()
        seen += found


def shown(thing: object) -> bytes:
    return f"{thing} {thing!r}".encode("utf-8", "surrogatepass")


def records(caplog: pytest.LogCaptureFixture) -> Iterator[tuple[str, bytes]]:
    """Yield every log record as our formatters write it, and as it is."""
    formatters = [logs._Formatter(as_json=True), logs._Formatter(as_json=False), logging.Formatter()]  # noqa: SLF001
    for record in caplog.records:
        for formatter in formatters:
            yield "the log", formatter.format(record).encode("utf-8", "surrogatepass")
        yield "a log record", repr(vars(record)).encode("utf-8", "surrogatepass")


def planted(desk: Desk) -> list[canaries.Canary]:
    return [text for line in desk.bench.people for text in canaries.of_line(f"device {line}")]


def test_a_person_is_nowhere_but_in_sealed_fields(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    if desk.bench.personal is None or (desk.bench.pictures and not desk.bench.people):
        return
    seen = search(desk, NONE, caplog)
    sealed = [("the sealed view", repr(event.view(sealed=True)).encode()) for event in seen]
    assert canaries.found(planted(desk), sealed), "the people were not read: the test would prove nothing"
    assert caplog.records, "nothing was logged: the test would prove nothing"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_nor_when_something_goes_wrong(line_desk: Desk, fault: Fault, caplog: pytest.LogCaptureFixture) -> None:
    if line_desk.bench.personal is not None:
        search(line_desk, fault, caplog)


def search(desk: Desk, fault: Fault, caplog: pytest.LogCaptureFixture) -> list[Payload]:
    """Let people come while *fault* happens; look for them wherever they must not be."""
    for logger in ("", "hall-edge"):
        caplog.set_level(logs.TRAFFIC, logger)
    texts, told = planted(desk), list[tuple[str, bytes]]()
    assert texts
    seen = read_people(desk, fault, told)
    public = [("the public view", repr(event.view(sealed=False)).encode()) for event in seen]
    assert not canaries.found(texts, [*told, *public, *records(caplog)])
    assert not desk.problems, "only errors of ours may leave a driver"
    return seen


def test_a_command_shows_nothing(desk: Desk) -> None:
    driver_type = desk.bench.driver_type
    for command in driver_type.commands:
        for name in command.sealed_params:
            assert "CANARY" not in repr(command(**{name: "CANARY"}))

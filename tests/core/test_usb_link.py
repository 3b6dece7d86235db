"""The USB link over USB/IP: layouts, errors by their right name, stalls, and unplugging in every state."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.errors import DeviceAbsent, DeviceBusy, DeviceError, DeviceLost, DeviceProtocol, DeviceTimeout, Unsupported
from edge.links import Link, UsbLine
from edge.port import DevicePort
from simulators.bench import Bench
from tests.contract.desk import nothing_left
from tests.contract.harness import Call
from tests.core.usb_rig import SDT_LINE, STATUS, STATUS_OK, liar, port, reader

LAYOUTS = ("two-pair", "one-pair")
SOON_S = 1.0
layouts = pytest.mark.parametrize("layout", LAYOUTS)


@pytest.fixture(params=LAYOUTS)
def plugged(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Bench, DevicePort]]:
    with reader(tmp_path, layout=request.param) as (bench, address):
        yield bench, port(address)


def whole(link: Link, size: int, wait_s: float = 2.0) -> bytes:
    """Read *size* bytes."""
    data, end = b"", time.monotonic() + wait_s
    while len(data) < size and time.monotonic() < end:
        data += link.read(0.2)
    return data


def asked(link: Link) -> bytes:
    link.write(STATUS)
    return whole(link, len(STATUS_OK))


def test_an_exchange(plugged: tuple[Bench, DevicePort]) -> None:
    bench, device = plugged
    link = device.open(SDT_LINE)
    assert link.simulated
    assert device.simulated
    for _ in range(3):
        assert asked(link) == STATUS_OK
    assert bench.counters("id-1")["commands"] == 3
    assert device.last_proof is not None
    link.close()


@layouts
def test_a_packet_holds_at_most_64_bytes(tmp_path: Path, layout: str) -> None:
    with reader(tmp_path, layout=layout) as (bench, address):
        link = port(address).open(SDT_LINE)
        bench.do(f"id-1 replace {(bytes.fromhex('AAAAAA9669') + bytes((1, 0)) + bytes(256)).hex()}")
        link.write(STATUS)
        pieces = [link.read(1.0) for _ in range(5)]
        assert [len(piece) for piece in pieces] == ([64] * 4 + [7] if layout == "one-pair" else [7] + [64] * 4)
        link.close()


def test_a_device_with_two_pairs_gets_whole_frames_over_one_if_the_driver_wants_so(tmp_path: Path) -> None:
    with reader(tmp_path, layout="two-pair") as (bench, address):
        link = port(address).open(UsbLine())
        link.write(STATUS)
        assert link.read(0.1) == b""  # such a reader does not understand that
        assert bench.counters("id-1").get("commands", 0) == 0
        link.close()


def test_what_was_said_and_not_read_is_dropped(plugged: tuple[Bench, DevicePort]) -> None:
    bench, device = plugged
    link = device.open(SDT_LINE)
    link.write(STATUS)
    bench.wait_count("id-1", "commands")
    bench.wait_count("id-1", "sent_bytes", len(STATUS_OK))
    link.discard()
    assert link.read(0) == b""
    assert asked(link) == STATUS_OK
    link.close()


def test_half_a_frame_does_not_spoil_the_next(plugged: tuple[Bench, DevicePort]) -> None:
    bench, device = plugged
    link = device.open(SDT_LINE)
    bench.do("id-1 truncate 9")
    link.write(STATUS)
    assert whole(link, 9) == STATUS_OK[:9]
    assert link.read(0.05) == b""
    link.discard()
    assert asked(link) == STATUS_OK
    link.close()


@pytest.mark.parametrize(
    ("layout", "end"), [("two-pair", "02"), ("two-pair", "85"), ("one-pair", "01"), ("one-pair", "81")]
)
def test_a_stall_is_cleared_once(tmp_path: Path, layout: str, end: str) -> None:
    with reader(tmp_path, layout=layout) as (bench, address):
        link = port(address).open(SDT_LINE)
        bench.do(f"id-1 stall {end}")
        assert asked(link) == STATUS_OK
        bench.do(f"id-1 stall {end} times=2")
        with pytest.raises(DeviceLost, match="EPIPE"):
            asked(link)
        link.close()


def test_there_is_no_rate_to_set(plugged: tuple[Bench, DevicePort]) -> None:
    link = plugged[1].open(SDT_LINE)
    with pytest.raises(Unsupported):
        link.set_baud(9600)
    link.close()


def test_waking(plugged: tuple[Bench, DevicePort]) -> None:
    link = plugged[1].open(SDT_LINE)
    link.wake()
    began = time.monotonic()
    assert not link.idle(30)
    timer = threading.Timer(0.05, link.wake)
    timer.start()
    assert not link.idle(30)
    assert time.monotonic() - began < SOON_S
    timer.join()
    link.close()


def test_idle_hears_what_the_device_says(plugged: tuple[Bench, DevicePort]) -> None:
    link = plugged[1].open(SDT_LINE)
    assert not link.idle(0)
    link.write(STATUS)
    assert link.idle(2.0)
    assert whole(link, len(STATUS_OK)) == STATUS_OK
    link.close()


# --- unplugging


WAITS: dict[str, Callable[[Link], object]] = {
    "read": lambda link: link.read(30),
    "idle": lambda link: [link.idle(30), link.read(0)],
}


@pytest.mark.parametrize("wait", WAITS)
def test_unplugged_while_it_waits(plugged: tuple[Bench, DevicePort], wait: str) -> None:
    bench, device = plugged
    with nothing_left():
        link = device.open(SDT_LINE)
        call = Call(lambda: WAITS[wait](link))
        bench.do("id-1 unplug")
        pulled = time.monotonic()
        with pytest.raises(DeviceLost, match="USB-105"):
            call.result(SOON_S)
        assert time.monotonic() - pulled < SOON_S
        for again in (lambda: link.write(STATUS), lambda: link.read(0), link.discard, lambda: link.idle(0)):
            with pytest.raises(DeviceLost):
                again()
        link.close()
        with pytest.raises(DeviceAbsent):
            device.open(SDT_LINE)
        bench.do("id-1 plug")
        assert asked(device.open(SDT_LINE)) == STATUS_OK
        device.release()


def test_closed_by_another_thread_while_it_reads(plugged: tuple[Bench, DevicePort]) -> None:
    _, device = plugged
    with nothing_left():
        link = device.open(SDT_LINE)
        call = Call(lambda: [link.read(0.3) for _ in range(100)])
        device.release()
        with pytest.raises(DeviceLost, match="closed"):
            call.result(SOON_S)
        link.close()
        assert asked(device.open(SDT_LINE)) == STATUS_OK
        device.release()
        device.wake()
        with pytest.raises(DeviceLost, match="closed"):
            link.idle(1)


# --- opening


def test_it_is_the_one_who_has_it(plugged: tuple[Bench, DevicePort]) -> None:
    _, device = plugged
    first = device.open(SDT_LINE)
    with nothing_left(), pytest.raises(DeviceBusy, match="USB-103"):
        port(f"usbip://{device.address.target}").open(SDT_LINE)
    assert asked(first) == STATUS_OK
    first.close()
    for _ in range(3):
        port_again = device.open(SDT_LINE)
        assert asked(port_again) == STATUS_OK
        port_again.close()


def test_what_is_not_there(tmp_path: Path) -> None:
    with nothing_left(), reader(tmp_path) as (bench, address):
        with pytest.raises(DeviceAbsent, match="not plugged in there"):
            port(address.replace("/1-1", "/1-2")).open(SDT_LINE)
        bench.do("id-1 unplug")
        with pytest.raises(DeviceAbsent, match="ECONNREFUSED"):
            port(address).open(SDT_LINE)
    for nowhere in ("usb:0400:c35a", "usb:0400:c35a?port=1-1.4"):
        with pytest.raises(DeviceAbsent):
            port(nowhere).open(SDT_LINE)


def test_what_is_no_usbip_host() -> None:
    with nothing_left(), liar(b"HTTP/1.1 400 Bad Request\r\n\r\n") as address, pytest.raises(DeviceProtocol):
        port(address).open(SDT_LINE)
    with nothing_left(), liar(b"\x01") as address, pytest.raises(DeviceAbsent):
        port(address).open(SDT_LINE)


def test_a_host_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.links.usbip._CONTROL_S", 0.1)
    with nothing_left(), liar(b"") as address, pytest.raises((DeviceTimeout, DeviceAbsent)):
        port(address).open(SDT_LINE)


def test_every_error_names_one_action(tmp_path: Path) -> None:
    with reader(tmp_path) as (bench, address):
        bench.do("id-1 unplug")
        for wrong in (address, "usb:ffff:0001"):
            with pytest.raises(DeviceError) as caught:
                port(wrong).open(SDT_LINE)
            assert caught.value.action
            assert caught.value.code

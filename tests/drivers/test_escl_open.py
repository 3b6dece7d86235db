"""Finding, identifying and watching an eSCL scanner: addresses, TLS, states, and what is no scanner at all."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from drivers.scanner_escl import STAY_S, EsclScanner, EsclSettings
from edge.errors import (
    ConfigError,
    DeviceAbsent,
    DeviceAccess,
    DeviceAttention,
    DeviceError,
    DeviceFault,
    DeviceLost,
    DeviceProtocol,
    DeviceTimeout,
)
from edge.links.address import parse_address
from edge.plugging.plugged import Plugged
from tests.drivers.escl_rig import Rig, opened, refused, rig, scanner

# --- who it is ---


def test_it_tells_who_it_is_and_that_it_is_simulated(tmp_path: Path) -> None:
    with scanner(tmp_path, serial="X-1") as simulator:
        one = Rig(simulator)
        info = one.driver.open()
        one.driver.close()
    assert (info.model, info.serial, info.firmware) == ("hall-edge simulated scanner", "X-1", "eSCL 2.63")
    assert info.simulated


def test_a_played_scanner_is_simulated_too(tmp_path: Path) -> None:
    with scanner(tmp_path, model="EPSON XP-7100") as simulator:
        one = Rig(simulator)
        assert one.driver.open().simulated
        one.driver.close()


@pytest.mark.parametrize("prefixes", ["scan+pwg", "escl+p", "+pwg", "scan+"])
def test_prefixes_mean_nothing(tmp_path: Path, prefixes: str) -> None:
    with rig(tmp_path, prefixes=prefixes) as one:
        assert not one.driver.poll(0)


@pytest.mark.parametrize("root", ["eSCL", "scan", "a.b~c"])
def test_the_root_is_part_of_the_address(tmp_path: Path, root: str) -> None:
    with scanner(tmp_path, root=root) as simulator:
        opened(simulator.address)
        opened(f"{simulator.address}/")
        if root != "eSCL":
            assert refused(simulator.address.removesuffix(f"/{root}"), DeviceProtocol) == "ESC-104"


# --- addresses ---


@pytest.mark.parametrize(
    ("text", "scheme", "target"),
    [
        ("escl://192.0.2.1", "escl", "192.0.2.1"),
        ("escl://scanner.hall.example:8080/eSCL/", "escl", "scanner.hall.example:8080/eSCL/"),
        ("escls://[2001:db8::1]:443/eSCL", "escls", "[2001:db8::1]:443/eSCL"),
        ("escl:?uuid=4509a320-00a0-008f-00b6-000000000001", "escl-announced", "4509a320-00a0-008f-00b6-000000000001"),
        ("escl:?name=Hall%20Scanner", "escl-announced", "Hall%20Scanner"),
    ],
)
def test_good_addresses(text: str, scheme: str, target: str) -> None:
    address = parse_address(text, EsclScanner.addresses)
    assert (address.scheme, address.target) == (scheme, target)


@pytest.mark.parametrize(
    "text",
    [
        "escl://", "escl://host:0", "escl://host:99999/eSCL", "escl://ho st/eSCL", "escl://host/e SCL", "escl://host/a\r\nb",
        "escl:", "escl:?uuid=1", "escl:?name=", "escl:?port=1", "http://host/eSCL", "escl://1.2.3.4.5/", "escl://host?x=1",
    ],
)  # fmt: skip
def test_bad_addresses(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_address(text, EsclScanner.addresses)


def test_settings_that_contradict_each_other_are_refused() -> None:
    assert EsclSettings(insecure=True, ca="/x").problems().keys() == {"insecure"}
    assert not EsclSettings(insecure=True).problems()
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"quirks": {"hosst": "localhost"}}, EsclSettings)


# --- nothing, or something else ---


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


@contextmanager
def speaker(*answers: bytes) -> Iterator[str]:
    """Say *answers*, one a connection, whatever is asked; the last one again and again."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def speak() -> None:
            said = 0
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answers[min(said, len(answers) - 1)])
                said += 1

        thread = threading.Thread(target=speak)
        thread.start()
        try:
            yield f"escl://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def page_of(text: str, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(text.encode())}\r\n\r\n{text}".encode()


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><a>&c;</a>'


def test_nothing_there_is_absent() -> None:
    assert refused(f"escl://127.0.0.1:{free_port()}", DeviceAbsent) == "ESC-102"
    assert refused("escl://no-such-scanner.invalid", DeviceAbsent) == "ESC-102"


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (page_of("<html/>"), DeviceProtocol, "ESC-104"),
        (page_of("", "404 Not Found"), DeviceProtocol, "ESC-104"),
        (page_of("", "301 Moved Permanently"), DeviceProtocol, "ESC-104"),
        (page_of("", "401 Unauthorized"), DeviceAccess, "ESC-108"),
        (page_of("<a><b></a>"), DeviceProtocol, "ESC-105"),
        (page_of("<ScannerCapabilities/>"), DeviceProtocol, "ESC-105"),
        (page_of(BOMB), DeviceProtocol, "ESC-105"),
        (page_of("<a>" * 100), DeviceProtocol, "ESC-105"),
        (page_of(f"<a>{'<b/>' * 30000}</a>"), DeviceProtocol, "ESC-105"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", DeviceProtocol, "ESC-104"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", DeviceProtocol, "ESC-104"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n" + bytes(1 << 21), DeviceProtocol, "ESC-104"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + bytes(1 << 21), DeviceProtocol, "ESC-104"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", DeviceLost, "ESC-107"),
        (b"", DeviceLost, "ESC-107"),
    ],
)
def test_something_else_is_told_apart(answer: bytes, kind: type[DeviceError], code: str) -> None:
    with speaker(answer) as address:
        assert refused(address, kind) == code


def test_endless_headers_end(tmp_path: Path) -> None:
    del tmp_path
    with speaker(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200_000) as address:
        assert refused(address, DeviceProtocol) == "ESC-104"
    with speaker(b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000) as address:
        assert refused(address, DeviceError) in ("ESC-104", "ESC-107")


# --- how it is ---


def test_polling_proves_that_it_lives(tmp_path: Path) -> None:
    with rig(tmp_path) as one:
        before = one.port.last_proof
        one.driver.poll(1.0)
        assert one.port.last_proof == before  # it was asked a moment ago
        one.driver.poll(1.0)
        one.driver.poll(1.0)
        assert before is not None
        assert one.port.last_proof is not None
        assert one.port.last_proof > before


def polls(one: Rig) -> None:
    for _ in range(10):
        one.driver.poll(1.0)


@pytest.mark.parametrize(
    ("action", "kind", "code"),
    [
        ("stop jam", DeviceAttention, "ESC-131"),
        ("stop hatch", DeviceAttention, "ESC-132"),
        ("stop door", DeviceAttention, "ESC-132"),
        ("state Stopped", DeviceAttention, "ESC-139"),
        ("state Down", DeviceFault, "ESC-110"),
    ],
)
def test_what_somebody_must_mend_is_told(tmp_path: Path, action: str, kind: type[DeviceError], code: str) -> None:
    with rig(tmp_path) as one:
        one.do(action)
        with pytest.raises(kind) as caught:
            polls(one)
        assert caught.value.code == code
        one.driver.close()
        assert refused(one.simulator.address, kind) == code


def test_opening_notices_at_once_that_it_was_mended(tmp_path: Path) -> None:
    with scanner(tmp_path) as simulator:
        simulator.do("stop jam")
        one = Rig(simulator)
        one.port.on_idle = lambda: one.do("clear") if one.port.skipped_s > 2 else None
        one.driver.open()
        assert 2 < one.port.skipped_s < STAY_S
        one.driver.close()


@pytest.mark.parametrize("what", ["mispick", "double-feed", "too-long", "tray", "overload"])
def test_what_may_stay_until_the_next_job_is_no_reason_to_refuse_it(tmp_path: Path, what: str) -> None:
    with rig(tmp_path) as one:
        one.do(f"stop {what}")
        polls(one)


@pytest.mark.parametrize("action", ["empty", "busy", "state Testing"])
def test_what_passes_is_no_problem(tmp_path: Path, action: str) -> None:
    with rig(tmp_path) as one:
        one.do(action)
        polls(one)


def test_a_scanner_that_is_switched_off_is_lost_and_found_again(tmp_path: Path) -> None:
    with rig(tmp_path, sheets=1) as one:
        one.simulator.unplug()
        with pytest.raises(DeviceLost):
            polls(one)
        one.driver.close()
        with pytest.raises(DeviceAbsent):
            one.driver.open()
        one.simulator.plug()
        one.driver.open()
        assert one.scan().completed == 1


def test_a_frozen_scanner_is_stuck(tmp_path: Path) -> None:
    with rig(tmp_path) as one:
        one.do("freeze")
        one.port.speed = 10.0
        began = one.port.monotonic()
        with pytest.raises(DeviceTimeout) as caught:
            polls(one)
        assert caught.value.code == "ESC-101"
        assert 5 < one.port.monotonic() - began - one.port.skipped_s < 12
        one.do("thaw")


def test_a_connection_that_the_scanner_closed_meanwhile_is_opened_again(tmp_path: Path) -> None:
    with rig(tmp_path) as one:
        for _ in range(3):
            one.simulator.unplug()
            one.simulator.plug()
            polls(one)


# --- what is plugged in ---


def test_a_scanner_on_usb_is_offered_through_ipp_usb() -> None:
    found = Plugged("usb", vendor_id=0x04A9, maker="Canon", product="DR-S150", interfaces=((7, 1, 4), (255, 9, 1)))
    offer = EsclScanner.fits(found)
    assert offer is not None
    assert not offer.sure
    assert offer.address == "escl://127.0.0.1:60000/eSCL"
    assert parse_address(offer.address, EsclScanner.addresses).scheme == "escl"
    assert "ipp-usb" in offer.title
    assert EsclScanner.fits(Plugged("usb", interfaces=((7, 1, 2),))) is None
    assert EsclScanner.fits(Plugged("tty", node="/dev/ttyUSB0")) is None

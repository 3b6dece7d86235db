"""Scanners found by DNS-SD: announced on the loopback by zeroconf itself, opened by UUID and by name."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from zeroconf import ServiceInfo, Zeroconf

from drivers import _escl_find as find
from drivers.scanner_escl import EsclScanner, EsclSettings
from edge.errors import DeviceAbsent, DeviceFault
from tests.drivers.escl_rig import QuickPort, scanner

LOOPBACK = ["127.0.0.1"]
UUID = "4509a320-00a0-008f-00b6-0000000000aa"
PATIENCE_S = 5.0


@contextmanager
def announced(port: int, name: str = "Hall Scanner", *, secure: bool = False, **texts: str) -> Iterator[None]:
    """Announce a scanner on the loopback while the context lasts."""
    service = "_uscans._tcp.local." if secure else "_uscan._tcp.local."
    zeroconf = Zeroconf(interfaces=LOOPBACK)
    info = ServiceInfo(
        service,
        f"{name}.{service}",
        port=port,
        addresses=[socket.inet_aton("127.0.0.1")],
        properties={"txtvers": "1", "rs": "/eSCL/", "ty": "ACME 1", "UUID": UUID, **texts},
        server="acme-1.local.",
    )
    try:
        zeroconf.register_service(info, cooperating_responders=True)
        yield
    finally:
        zeroconf.close()


def named(name: str) -> Callable[[list[find.Announced]], bool]:
    return lambda seen: any(one.name == name for one in seen)


@pytest.fixture(autouse=True)
def _on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "browse", partial(find.browse, interfaces=LOOPBACK))


@pytest.mark.slow
@pytest.mark.parametrize("address", [f"escl:?uuid={UUID.upper()}", "escl:?name=Hall%20Scanner"])
def test_it_is_opened_by_what_it_announces(tmp_path: Path, address: str) -> None:
    with scanner(tmp_path) as simulator, announced(simulator.server.port):
        driver = EsclScanner(EsclSettings(), QuickPort(address))
        assert driver.open().simulated
        driver.close()


@pytest.mark.slow
def test_what_does_not_announce_itself_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.scanner_escl.FIND_S", 0.3)
    with pytest.raises(DeviceAbsent) as caught:
        EsclScanner(EsclSettings(), QuickPort("escl:?name=Nobody")).open()
    assert caught.value.code == "ESC-109"


@pytest.mark.slow
def test_a_search_offers_a_static_address() -> None:
    with announced(8080), announced(8443, "Secure Scanner", secure=True, rs="", ty="ACME 2"):
        seen = find.browse(PATIENCE_S, lambda seen: named("Hall Scanner")(seen) and named("Secure Scanner")(seen))
    by_name = {one.name: one for one in seen}
    assert by_name["Hall Scanner"].address == "escl://127.0.0.1:8080/eSCL"
    assert by_name["Secure Scanner"].address == "escls://127.0.0.1:8443/eSCL"
    assert [one.secure for one in seen] == sorted((one.secure for one in seen), reverse=True)


def test_offers_are_what_was_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    one = find.Announced("Hall Scanner", "ACME 1", UUID, "192.0.2.7", 80, "eSCL", secure=False)
    monkeypatch.setattr(find, "browse", lambda _wait_s: [one])
    (offer,) = EsclScanner.search(1.0)
    assert (offer.address, offer.title, offer.sure) == ("escl://192.0.2.7:80/eSCL", "ACME 1", True)
    assert one.answers_to(UUID.upper())
    assert not one.answers_to("")
    assert find.Announced("a", "a", "", "2001:db8::1", 443, "x", secure=True).address == "escls://[2001:db8::1]:443/x"


def test_without_zeroconf_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zeroconf", None)
    assert not EsclScanner.search(0.1)
    with pytest.raises(DeviceFault) as caught:
        EsclScanner(EsclSettings(), QuickPort("escl:?name=Nobody")).open()
    assert caught.value.code == "ESC-112"


def test_without_a_network_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: Any) -> list[find.Announced]:
        raise OSError("no network")

    monkeypatch.setattr(find, "browse", no_network)
    assert not EsclScanner.search(0.1)
    with pytest.raises(DeviceAbsent):
        EsclScanner(EsclSettings(), QuickPort("escl:?name=Nobody")).open()

"""Which reader an address means, and what is offered for the readers that there are."""

from __future__ import annotations

import pytest

from drivers.card_pcsc import PcscCardDriver
from edge.errors import ConfigError, DeviceAbsent, DeviceAttention
from edge.links.address import parse_address
from edge.plugging.plugged import Plugged
from tests.drivers.card_rig import LINK, Make, Simulator, told


@pytest.mark.parametrize("address", ["pcsc:", "pcsc:CCID", "pcsc:hall-edge%20SIM"])
def test_several_readers_that_fit_are_named(make: Make, address: str) -> None:
    with pytest.raises(DeviceAttention, match=r"PCS-104.*slot 0.*slot 1"):
        make(address)
    make(f"{address}?slot=1")


@pytest.mark.parametrize("address", ["pcsc:Omnikey", "pcsc:?slot=2", "pcsc:CCID%2000%2007"])
def test_a_reader_that_is_not_there(make: Make, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.card_pcsc.OPEN_WAIT_S", 0.0)
    with pytest.raises(DeviceAbsent, match="PCS-113"):
        make(address)


def test_the_slots_are_readers_of_their_own(service: Simulator, make: Make) -> None:
    first, second = make(), make(f"pcsc:?slot=1&socket={LINK}")
    service.do("insert storage slot=1")
    assert told(second.polled(2)) == ["inserted:storage", "read:storage"]
    assert not first.quiet()


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("pcsc:%zz", "CFG-130"),
        ("pcsc:a%0Ab", "CFG-130"),
        ("pcsc:" + "x" * 128, "CFG-130"),
        ("pcsc:?slot=16", "CFG-133"),
        ("pcsc:?socket=relative", "CFG-133"),
        ("pcsc:?socket=/" + "x" * 107, "CFG-133"),
        ("pcsc:?port=1", "CFG-132"),
        ("pcscd:", "CFG-131"),
    ],
)
def test_wrong_addresses(address: str, code: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_address(address, PcscCardDriver.addresses)
    assert caught.value.problems[0].code == code


def test_the_socket_goes_into_the_environment_of_the_drivers_process() -> None:
    settings = PcscCardDriver.settings_type()
    plain, other = (
        parse_address(text, PcscCardDriver.addresses) for text in ("pcsc:", "pcsc:?socket=/run/user/0/pcscd.comm")
    )
    assert PcscCardDriver.environment(settings, plain) == {}
    assert PcscCardDriver.environment(settings, other) == {"PCSCLITE_CSOCK_NAME": "/run/user/0/pcscd.comm"}


def test_what_is_found_is_offered(service: Simulator, make: Make) -> None:
    offers = list(PcscCardDriver.search(1.0))
    assert [(offer.address, offer.title) for offer in offers] == [
        (f"pcsc:hall-edge%20simulated%20CCID?slot={slot}", "hall-edge simulated CCID") for slot in (0, 1)
    ]
    for offer in offers:
        make(offer.address)
    service.do("stop")
    assert not list(PcscCardDriver.search(1.0))


def test_a_usb_reader_is_ours() -> None:
    reader = Plugged("usb", maker="Maker", product="CCID Reader 2", interfaces=((0x03, 0, 0), (0x0B, 0, 0)))
    offer = PcscCardDriver.fits(reader)
    assert offer is not None
    assert (offer.address, offer.title) == ("pcsc:CCID%20Reader%202", "Maker CCID Reader 2")
    assert parse_address(offer.address, PcscCardDriver.addresses).scheme == "pcsc"
    for other in (Plugged("usb", interfaces=((0x03, 0, 0),)), Plugged("tty", interfaces=((0x0B, 0, 0),))):
        assert PcscCardDriver.fits(other) is None

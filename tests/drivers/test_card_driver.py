"""The driver on the real libpcsclite and a simulated service: every card, every mode, both commands."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import msgspec
import pytest

from drivers._card_settings import CardSettings
from drivers.card_pcsc import PcscCardDriver
from edge.errors import ConfigError, DeviceAbsent, DeviceAttention, JobCancelled, Unsupported
from edge.events import (
    CardInserted,
    CardRead,
    CardRejected,
    Payload,
    ReadCard,
    ReadSmartCard,
    Transmit,
    Transmitted,
)
from edge.links.address import parse_address
from edge.plugged import Plugged
from simulators.people import citizen
from tests.drivers.card_rig import LINK, REQUEST_ID, Simulator, Window, forgotten, leading_to, told
from tests.support import canaries

NOTICE_S = 0.05
Make = Callable[..., Window]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    simulator = Simulator(tmp_path_factory.mktemp("pcsc"), "card_pcsc,slots=2")
    yield simulator
    simulator.close()


@pytest.fixture
def make(service: Simulator) -> Iterator[Make]:
    """Open drivers on the first slot, with other settings if wanted."""
    service.reset()
    made: list[Window] = []
    with leading_to(service.path) as address:

        def window(at: str = f"{address}&slot=0", **settings: object) -> Window:
            made.append(Window(at, **settings))
            made[-1].open()
            return made[-1]

        yield window
        for one in made:
            one.close()
    forgotten(service)


FULL = {"read": "full", "purpose": "test"}


def facts(event: Payload) -> dict[str, object]:
    found: dict[str, object] = msgspec.to_builtins(event)
    return found


def test_the_reader_says_that_it_is_simulated(make: Make) -> None:
    info = make().open()
    assert (info.model, info.serial, info.simulated) == ("hall-edge simulated CCID", None, True)


@pytest.mark.parametrize(
    ("card", "events"),
    [
        ("social-security", ["inserted:cpu", "read:social-security"]),
        ("social-security protocol=t0", ["inserted:cpu", "read:social-security"]),
        ("social-security interface=contactless by=sfi", ["inserted:cpu", "read:social-security"]),
        ("social-security psam=read", ["inserted:cpu", "rejected:needs-psam"]),
        ("social-security psam=select", ["inserted:cpu", "rejected:needs-psam"]),
        ("storage", ["inserted:storage", "read:storage"]),
        ("id-card", ["inserted:id-card", "rejected:use-id-card-reader"]),
        ("cpu", ["inserted:cpu", "rejected:not-supported"]),
        ("mute", ["inserted:unknown", "rejected:mute"]),
        ("script answers=6a82 atr=3B8001", ["inserted:unknown", "rejected:not-supported"]),
        ("script answers=61", ["inserted:cpu", "rejected:read-failed"]),
    ],
)
def test_every_card_is_told_once_and_its_going_too(
    service: Simulator, make: Make, card: str, events: list[str]
) -> None:
    window = make(**FULL)
    service.do(f"insert {card}")
    assert told(window.polled(2)) == events
    assert not window.quiet()
    service.do("remove")
    assert told(window.polled(1)) == ["removed"]
    assert not window.quiet()
    assert not service.counters()["pin_commands"]


def test_card_in_and_out_are_told_at_once(
    service: Simulator, make: Make, record_property: Callable[[str, object], None]
) -> None:
    """Measured from before the simulator is told, so the service's own notice is later: bound included."""
    window, late = make(auto=False), []
    window.quiet()
    for _ in range(15):
        for line, event in (("insert social-security", "inserted:cpu"), ("remove", "removed")):
            began = time.monotonic()
            service.do(line)
            assert told(window.polled(1)) == [event]
            late.append(window.at[-1] - began)
    record_property(
        "card in and out, median and worst, ms", [f"{1e3 * one:.1f}" for one in (sorted(late)[15], max(late))]
    )
    assert sorted(late)[len(late) // 2] < NOTICE_S
    assert sum(one < NOTICE_S for one in late) >= len(late) - 2  # a busy machine may have slept


def test_a_card_that_is_there_already(service: Simulator, make: Make) -> None:
    service.do("insert storage seed=5")
    window = make()
    assert told(window.polled(2)) == ["inserted:storage", "read:storage"]


def test_a_card_that_was_changed_quickly(service: Simulator, make: Make) -> None:
    window = make()
    service.do("insert storage")
    window.polled(2)
    service.do("remove", "insert id-card")
    assert told(window.polled(3)) == ["removed", "inserted:id-card", "rejected:use-id-card-reader"]


def test_the_events_say_what_they_should(service: Simulator, make: Make) -> None:
    window = make(read="fields", fields=["name", "number"], purpose="acceptance")
    service.do("insert social-security seed=7 bad-check=1")
    inserted, read = window.polled(2)
    assert isinstance(inserted, CardInserted)
    assert facts(inserted) == {"interface": "contact", "card": "cpu"}
    assert isinstance(read, CardRead)
    who = citizen("resident seed=7 rare=0 long=0 bad-check=1")
    public = read.view(sealed=False)
    assert public == {
        "mode": "fields", "interface": "contact", "card": "social-security", "chip": read.chip,
        "warnings": ("check-digit",), "purpose": "acceptance",
    }  # fmt: skip
    assert facts(read)["person"] == {"name": who.name, "number": who.number}
    assert not canaries.found(canaries.of_citizen(who), [("the public view", repr(public).encode())])


def test_a_storage_card_has_a_name_and_no_holder(service: Simulator, make: Make) -> None:
    window = make()
    service.do("insert storage product=4k seed=1")
    inserted, read = window.polled(2)
    assert facts(inserted) == {"interface": "contactless", "card": "storage", "product": "MIFARE Classic 4K"}
    assert isinstance(read, CardRead)
    assert (read.mode, read.person, read.warnings) == ("presence", None, ())


def test_an_id_card_is_sent_to_its_reader_without_a_word_to_it(service: Simulator, make: Make) -> None:
    window = make(**FULL)
    before = service.counters()["apdus"]
    service.do("insert id-card")
    _, event = window.polled(2)
    assert isinstance(event, CardRejected)
    assert (event.reason, event.advice) == ("use-id-card-reader", "use-other-document")
    assert service.counters()["apdus"] == before


# --- the read command


def test_a_command_reads_the_card_that_is_in(service: Simulator, make: Make) -> None:
    window = make(auto=False, **FULL)
    service.do("insert social-security seed=7")
    assert told(window.polled(2, 0.3)) == ["inserted:cpu"]
    (read,) = window.executed(ReadSmartCard(purpose="a passport"))
    assert isinstance(read, CardRead)
    assert read.purpose == "a passport"
    assert told(window.executed(ReadSmartCard())) == ["read:social-security"]
    assert not window.quiet()


def test_a_command_waits_for_a_card(service: Simulator, make: Make) -> None:
    window = make(auto=False)
    command = ReadSmartCard()
    job = window.job(command)
    said: list[str] = []

    def report(text_code: str, step: int | None = None, of: int | None = None) -> None:
        assert step is of is None
        said.append(text_code)
        if text_code == "insert-card":
            service.do("insert storage")

    job.report = report  # type: ignore[method-assign]
    assert told(list(window.driver.execute(command, job))) == ["inserted:storage", "read:storage"]
    assert said == ["insert-card", "reading"]


def test_a_command_that_nobody_serves_ends_in_time(make: Make) -> None:
    window = make()
    began = time.monotonic()
    with pytest.raises(JobCancelled, match="CMD-107"):
        window.executed(ReadSmartCard(), limit_s=0.3)
    assert time.monotonic() - began < 1.0


def test_a_command_is_not_served_by_a_card_that_was_torn_out(service: Simulator, make: Make) -> None:
    window = make(auto=False, **FULL)
    service.do("insert social-security", "tear at=100")
    command = ReadSmartCard()
    events: list[str] = []
    for event in window.driver.execute(command, window.job(command)):
        events += told([event])
        if event.type == "removed":
            service.do("insert social-security")
    assert events == ["inserted:cpu", "rejected:removed-too-early", "removed", "inserted:cpu", "read:social-security"]


def test_a_cancelled_command_lets_the_card_go(service: Simulator, make: Make) -> None:
    window = make(auto=False, **FULL)
    service.do("insert slow delay=0.05")
    command = ReadSmartCard()
    job = window.job(command)
    events = window.driver.execute(command, job)
    assert told([next(iter(events))]) == ["inserted:cpu"]
    job.cancel()
    with pytest.raises(JobCancelled):
        list(events)
    forgotten(service)


def test_a_card_that_takes_too_long_is_given_up(
    service: Simulator, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers._card_slot.BUDGET_S", 0.2)
    window = make(**FULL)
    service.do("insert slow delay=0.06")
    assert told(window.polled(2)) == ["inserted:cpu", "rejected:read-failed"]


# --- transmit


PUBLIC = {"transmit_prefixes": ["0084", "00a404"]}


def test_transmit_is_off_unless_it_is_allowed(make: Make) -> None:
    with pytest.raises(Unsupported, match="sends no APDUs"):
        make().executed(Transmit(apdus=("0084000008",)))


def test_transmit_answers_in_order_and_sealed(service: Simulator, make: Make) -> None:
    window = make(auto=False, **PUBLIC)
    service.do("insert cpu seed=1")
    window.polled(1)
    (event,) = window.executed(Transmit(apdus=("0084000008", "00a40400023f00", "0084000004")))
    assert isinstance(event, Transmitted)
    assert event.answers == ("00000000000000029000", "6a82", "000000029000")
    assert event.view(sealed=False) == {"request": REQUEST_ID, "count": 3}


@pytest.mark.parametrize(
    ("apdus", "code"),
    [
        (("0084000008", "00b0000000"), "PCS-110"),
        (("0020008103123456",), "PCS-111"),
        (("00a404000a112233",), "PCS-112"),
    ],
)
def test_nothing_is_sent_when_one_apdu_may_not(
    service: Simulator, make: Make, apdus: tuple[str, ...], code: str
) -> None:
    window = make(auto=False, **PUBLIC)
    service.do("insert cpu")
    window.polled(1)
    before = service.counters()
    with pytest.raises(Unsupported, match=code):
        window.executed(Transmit(apdus=apdus))
    assert service.counters()["apdus"] == before["apdus"]
    assert service.counters()["pin_commands"] == 0


def test_a_pin_is_refused_even_where_its_prefix_slipped_in(service: Simulator, make: Make) -> None:
    window = make(auto=False, **PUBLIC)
    window.driver._own = CardSettings(transmit_prefixes=("0020",))  # noqa: SLF001 - as no configuration can say it
    service.do("insert cpu")
    with pytest.raises(Unsupported, match="PCS-111"):
        window.executed(Transmit(apdus=("0020008103123456",)))


def test_another_kinds_command_is_refused(make: Make) -> None:
    window = make()
    with pytest.raises(Unsupported):
        list(window.driver.execute(ReadCard(), window.job(ReadCard())))


# --- addresses


@pytest.mark.parametrize("address", ["pcsc:", "pcsc:CCID", "pcsc:hall-edge%20SIM"])
def test_several_readers_that_fit_are_named(make: Make, address: str) -> None:
    with pytest.raises(DeviceAttention, match=r"PCS-104.*slot 0.*slot 1"):
        make(address)
    make(f"{address}?slot=1")


@pytest.mark.parametrize("address", ["pcsc:Omnikey", "pcsc:?slot=2", "pcsc:CCID%2000%2007"])
def test_a_reader_that_is_not_there(make: Make, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.card_pcsc.OPEN_WAIT_S", 0.0)
    with pytest.raises(DeviceAbsent, match="PCS-103"):
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


def test_two_windows_share_a_card(service: Simulator, make: Make) -> None:
    first, second = make(**FULL), make()
    service.do("insert social-security")
    assert told(first.polled(2)) == ["inserted:cpu", "read:social-security"]
    assert told(second.polled(2)) == ["inserted:cpu", "read:social-security"]

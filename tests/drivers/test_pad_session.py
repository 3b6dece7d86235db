"""Sessions on a pad, on a clock that costs no time: every outcome, in every shipped dialect."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from drivers.pad_serial import CODES, PadSettings, SerialPad
from edge.errors import DeviceLost, DeviceTimeout, JobCancelled, Unsupported
from edge.events import Declined, Evaluate, Interrupted, Rated, ReadCard, TimedOut
from edge.links import SerialLine
from tests.drivers.test_pad_fakes import (
    PADS,
    SESSION,
    Desk,
    FakeJob,
    FakeLink,
    FakePort,
    PadBytes,
    addressable,
    stx_key,
)

profiles = pytest.mark.parametrize("name", PADS)


@profiles
def test_the_line_is_as_the_profile_says(name: str) -> None:
    bauds = {"ascii_keys": 9600, "aa55_xor": 115200, "stx_len16": 19200, "addressable": 9600}
    assert Desk(name).port.line == SerialLine(baud=bauds[name])


@profiles
@pytest.mark.parametrize("level", [1, 2, 3, 4, 5])
def test_a_key_is_a_rating(name: str, level: int) -> None:
    desk = Desk(name)
    event = desk.rate(level)
    assert (event.session, event.level, event.reasons, event.flags) == (SESSION, level, (), ())
    assert (event.form_id, event.form_version) == ("f1", "3")
    assert 1900 <= event.dwell_ms <= 2000
    assert desk.link.sent() == [frame for frame in (desk.pad.request, desk.pad.taken) if frame]
    assert not desk.poll()


@profiles
def test_the_pad_hears_taken_only_when_the_event_is_durable(name: str) -> None:
    desk = Desk(name)
    desk.link.say(desk.pad.keys[4], 1)
    session = desk.start()
    next(session)
    assert not desk.pad.taken or desk.pad.taken not in desk.link.sent()
    with pytest.raises(StopIteration):
        next(session)
    assert not desk.pad.taken or desk.link.sent()[-1] == desk.pad.taken


@profiles
def test_an_event_that_is_not_taken_by_the_store_is_not_acknowledged(name: str) -> None:
    desk = Desk(name)
    desk.link.say(desk.pad.keys[4], 1)
    session = desk.start()
    next(session)
    session.close()  # type: ignore[attr-defined]  # a generator
    assert not desk.pad.taken or desk.pad.taken not in desk.link.sent()


@pytest.mark.parametrize("name", [name for name, pad in PADS.items() if pad.declined])
def test_the_citizen_declines(name: str) -> None:
    desk = Desk(name)
    desk.link.say(desk.pad.declined, 3)
    assert list(desk.start()) == [Declined(session=SESSION, dwell_ms=3000)]


@pytest.mark.parametrize("name", [name for name, pad in PADS.items() if pad.timed_out])
def test_the_pad_gives_up_by_itself(name: str) -> None:
    desk = Desk(name)
    desk.link.say(desk.pad.timed_out, 20)
    assert list(desk.start()) == [TimedOut(session=SESSION, waited_ms=20000)]
    assert desk.pad.cancel not in desk.link.sent()
    assert not desk.pad.taken or desk.link.sent()[-1] == desk.pad.taken


@profiles
def test_silence_is_a_time_out_and_never_a_level(name: str) -> None:
    desk = Desk(name)
    job = desk.job()
    (event,) = list(desk.start(job))
    assert isinstance(event, TimedOut)
    assert 30_000 <= event.waited_ms <= 30_100
    assert job.longest_pause_s() <= 0.1001
    assert not desk.pad.cancel or desk.link.sent()[-1] == desk.pad.cancel


@profiles
def test_a_cancelled_session_is_interrupted(name: str) -> None:
    desk = Desk(name)
    job = desk.job(cancel_after_s=5)
    session = desk.start(job)
    event = next(session)
    assert isinstance(event, Interrupted)
    assert event.reason == "cancelled"
    assert 5000 <= event.waited_ms <= 5100
    assert not desk.pad.cancel or desk.link.sent()[-1] == desk.pad.cancel
    with pytest.raises(JobCancelled):
        next(session)


@profiles
@pytest.mark.parametrize("after_s", [0.0, 0.001, 5.0])
def test_a_pad_that_goes_away_interrupts_the_session(name: str, after_s: float) -> None:
    desk = Desk(name)
    desk.link.lost_at = desk.link.clock + after_s
    session = desk.start()
    event = next(session)
    assert isinstance(event, Interrupted)
    assert event.reason == "device-error"
    with pytest.raises(DeviceLost):
        next(session)
    desk.driver.close()


def test_a_pad_that_does_not_accept_is_stuck() -> None:
    desk = Desk("addressable")
    desk.link.answers = lambda _: None
    session = desk.start()
    event = next(session)
    assert isinstance(event, Interrupted)
    assert event.reason == "device-error"
    assert 2000 <= event.waited_ms <= 2100
    with pytest.raises(DeviceTimeout) as caught:
        next(session)
    assert caught.value.code == "PAD-101"
    assert desk.link.sent() == [desk.pad.request, desk.pad.cancel]


def test_a_key_before_the_pad_accepted_is_of_the_citizen_before() -> None:
    desk = Desk("addressable")
    desk.link.answers = lambda _: None
    desk.link.say(desk.pad.keys[1], 0.01)
    desk.link.say(desk.pad.accepted, 0.05)
    desk.link.say(desk.pad.keys[5], 3)
    (event,) = list(desk.start())
    assert isinstance(event, Rated)
    assert event.level == 5


# --- flags, reasons, life ------------------------------------------------------------------------


def test_too_fast_and_burst() -> None:
    desk = Desk("stx_len16", too_fast_s=1.0, burst_count=3, burst_window_s=10.0)
    flags = [desk.rate(5, after_s).flags for after_s in (0.5, 4, 4, 4, 20, 0.999, 1.001)]
    assert flags == [("too-fast",), (), ("burst",), ("burst",), (), ("too-fast",), ("burst",)]


@pytest.mark.parametrize(
    ("data", "reasons", "dropped"),
    [
        ("EV00E401512", ["401", "512"], False),
        ("EV00D401", ["401"], False),
        ("EV00D40", [], True),
        ("EV00A401", [], True),
    ],
)
def test_reasons_only_for_levels_1_and_2(data: str, reasons: list[str], dropped: bool) -> None:
    desk = Desk("stx_len16")
    desk.link.say(stx_key(data), 2)
    (event,) = list(desk.start())
    assert isinstance(event, Rated)
    assert [reason.code for reason in event.reasons] == reasons
    assert desk.port.messages() == ([CODES["PAD-105"]] if dropped else [])
    msgspec.convert(msgspec.to_builtins(event), Rated)


def test_heartbeats_are_life_and_nothing_else() -> None:
    desk = Desk("addressable")
    assert desk.driver.proof_s == 15
    assert SerialPad(PadSettings(profile="aa55_xor"), desk.port).proof_s is None
    desk.link.say(desk.pad.heartbeat)
    assert desk.poll() == []
    assert desk.link.sent() == []
    assert not desk.port.lines
    desk.link.say(desk.pad.heartbeat, 1)
    assert desk.rate(2).level == 2


def test_a_flood_of_keys_is_one_log_line_in_ten_seconds() -> None:
    desk = Desk("ascii_keys")
    for _ in range(1000):
        desk.link.say(b"1\r5\r" * 5)
        assert desk.poll(0) == []
        desk.link.clock += 0.011
    assert desk.driver.counts[CODES["PAD-103"]] == 10_000
    assert len(desk.port.lines) == 2
    assert desk.port.lines[1][1]["count"] == 9100


def test_a_key_from_another_address_is_not_ours() -> None:
    desk = Desk("addressable", pad_address=7)
    desk.pad = PadBytes({}, request=addressable("50 1E", 7), accepted=addressable("D0 00", 7))
    desk.link.say(addressable("51 01", 1), 1)
    desk.link.say(addressable("51 05", 7), 2)
    (event,) = list(desk.start())
    assert isinstance(event, Rated)
    assert event.level == 1


# --- the driver's duties -------------------------------------------------------------------------


def test_what_the_dialect_cannot_say_is_refused_before_anything_is_sent(tmp_path: Any) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(
        'title = "ours"\nframe = { cut = "end-mark", layout = "{body} 0D" }\n'
        'send = { request = "{staff:d2}" }\nkey = { map = { "01" = 5 } }\n'
    )
    link = FakeLink()
    driver = SerialPad(PadSettings(profile=str(path)), FakePort(link))
    driver.open()
    with pytest.raises(Unsupported) as caught:
        list(driver.execute(Evaluate(staff="100"), FakeJob(link)))
    assert caught.value.code == "PAD-106"
    with pytest.raises(Unsupported):
        list(driver.execute(ReadCard(), FakeJob(link)))
    assert link.sent() == []


@profiles
def test_a_pad_that_takes_no_bytes_after_the_event_does_not_undo_it(name: str) -> None:
    desk = Desk(name)
    desk.link.say(desk.pad.keys[4], 1)
    session = desk.start()
    next(session)
    desk.link.lost_at = desk.link.clock
    assert list(session) == []
    assert desk.port.messages() == ([CODES["PAD-102"]] if desk.pad.taken else [])
    with pytest.raises(DeviceLost):
        desk.poll()


def test_open_writes_the_init_bytes_and_leaks_no_link(tmp_path: Any) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(
        'title = "ours"\nline = { init = "1B 40" }\nframe = { cut = "end-mark", layout = "{body} 0D" }\n'
        'key = { map = { "01" = 5 } }\n'
    )
    link = FakeLink()
    driver = SerialPad(PadSettings(profile=str(path)), FakePort(link))
    driver.open()
    assert link.sent() == [b"\x1b\x40"]
    driver.close()
    driver.close()
    assert link.closed == 1
    link.write_error = DeviceTimeout("takes nothing")
    with pytest.raises(DeviceTimeout):
        driver.open()
    assert link.closed == 2
    with pytest.raises(DeviceLost):
        driver.poll(0)


def test_a_partial_frame_is_given_up_after_a_silence() -> None:
    desk = Desk("aa55_xor")
    desk.link.say(desk.pad.keys[5][:4])
    desk.poll(1)
    desk.poll(1)
    assert desk.link.clock == pytest.approx(100.2)
    desk.link.say(desk.pad.keys[5])
    desk.poll(1)
    assert desk.driver.counts[CODES["PAD-103"]] == 1

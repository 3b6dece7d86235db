"""Every action of every device over a real port."""

from __future__ import annotations

import re
import threading
import time

import pytest
import serial

from simulators.bench import Bench
from simulators.people import citizen
from simulators.records import text_record
from simulators.words import ScenarioError
from tests.simulators.host import FOUND_SIZE, RECORD_SIZE, SELECTED_SIZE, Host, sdt
from tests.support.wait import wait_until

NO_CARD = bytes.fromhex("AAAAAA9669000400008084")
ASK_PAD = bytes.fromhex("55AA02011E1D")


def test_a_citizen_is_read_with_pyserial(bench: Bench) -> None:
    path = bench.add("id-1", "idcard_sdt", requires_removal=False)
    with serial.Serial(str(path), 115200, timeout=5, exclusive=True) as port:
        bench.do("id-1 insert resident seed=7 rare=1")
        for _ in range(2):
            answer = b""
            for command, size in (("2001", FOUND_SIZE), ("2002", SELECTED_SIZE), ("3001", RECORD_SIZE)):
                port.write(sdt(command))
                answer = port.read(size)
            assert answer[14:270] == text_record(citizen("resident seed=7 rare=1"))
    assert bench.counters("id-1")["command_3001"] == 2
    assert bench.counters("id-1")["sent_bytes"] == 2 * (FOUND_SIZE + SELECTED_SIZE + RECORD_SIZE)


def test_plug_and_unplug(bench: Bench, reader: Host) -> None:
    path = bench.path("id-1")
    bench.do("id-1 unplug")
    assert reader.is_gone()
    assert not path.is_symlink()
    bench.do("id-1 unplug")
    bench.do("id-1 plug")
    bench.do("id-1 plug")
    with Host(path) as host:
        assert host.ask("2001", 11) == NO_CARD


def test_a_device_that_comes_later(bench: Bench) -> None:
    path = bench.add("gun-1", "code_serial", plugged=False)
    assert not path.is_symlink()
    bench.do("gun-1 scan A")
    bench.do("gun-1 plug")
    with Host(path) as host:
        bench.do("gun-1 scan B")
        assert host.read(2) == b"B\r"


@pytest.mark.parametrize("count", [0, 1, 7, 700, 1295])
def test_the_cable_is_pulled_in_the_middle_of_a_record(bench: Bench, reader: Host, count: int) -> None:
    bench.do("id-1 insert resident")
    bench.do(f"id-1 unplug-after {count} answer=30")
    reader.select_card()
    assert len(reader.ask("3001", RECORD_SIZE)) == count
    assert reader.is_gone()
    bench.do("id-1 plug")
    with Host(bench.path("id-1")) as host:
        host.select_card()
        assert len(host.ask("3001", RECORD_SIZE)) == RECORD_SIZE


def test_a_host_that_reads_nothing_does_not_keep_its_cable_in(bench: Bench, reader: Host) -> None:
    bench.do("id-1 unplug-after 5")
    reader.write(sdt("2001"))
    assert reader.is_gone(within_s=0.6)


def test_mute_for_a_time_and_until_told(bench: Bench, reader: Host) -> None:
    bench.do("id-1 mute")
    reader.write(sdt("2001"))
    bench.wait_count("id-1", "received_bytes", 10)
    assert reader.is_silent()
    bench.do("id-1 unmute")
    assert reader.ask("2001", 11) == NO_CARD
    bench.do("id-1 mute 0.2")
    assert reader.ask("2001", 11, within_s=0.05) == b""
    wait_until(lambda: reader.ask("2001", 11, within_s=0.05) == NO_CARD)


def test_garbage_truncation_chunks_and_wrong_checksums(bench: Bench, reader: Host) -> None:
    bench.do("id-1 garbage 7")
    assert reader.ask("2001", 18)[7:] == NO_CARD
    bench.do("id-1 garbage hex=AAAAAA9669FFFF")
    assert reader.ask("2001", 18) == bytes.fromhex("AAAAAA9669FFFF") + NO_CARD
    bench.do("id-1 truncate 5")
    assert reader.ask("2001", 6, within_s=0.1) == NO_CARD[:5]
    bench.do("id-1 chunk 1")
    assert reader.ask("2001", 11) == NO_CARD
    bench.do("id-1 wrong-checksum times=2")
    for _ in range(2):
        assert reader.ask("2001", 11) == NO_CARD[:-1] + b"\x7b"
    bench.do("id-1 replace AAAAAA96690005050505")
    assert reader.ask("2001", 10) == bytes.fromhex("AAAAAA96690005050505")
    assert reader.ask("2001", 11) == NO_CARD


def test_a_late_answer_comes_before_the_next_one(bench: Bench, reader: Host) -> None:
    bench.do("id-1 late 0.2 answer=11")
    assert reader.ask("11FF", 11, within_s=0.05) == b""
    started = time.monotonic()
    answers = reader.ask("2001", 22)
    assert time.monotonic() - started > 0.1
    assert answers == bytes.fromhex("AAAAAA9669000400009094") + NO_CARD


def test_chunks_with_a_gap_take_their_time(bench: Bench, reader: Host) -> None:
    bench.do("id-1 chunk 4 gap=0.05")
    started = time.monotonic()
    assert reader.ask("2001", 11) == NO_CARD
    assert time.monotonic() - started >= 0.1


def test_card_actions(bench: Bench, reader: Host) -> None:
    bench.do("id-1 insert Y")
    bench.do("id-1 status 9F answer=2001")
    assert reader.ask("2001", 11)[9] == 0x9F
    bench.do("id-1 remove")
    assert reader.ask("2001", 11) == NO_CARD
    bench.do("id-1 selftest-bad")
    assert reader.ask("11FF", 11)[9] == 0x60
    bench.do("id-1 selftest-ok")
    assert reader.ask("11FF", 11)[9] == 0x90


@pytest.mark.parametrize(("manner", "size"), [("silent", 0), ("garbage", 8)])
def test_a_wrong_rate_is_not_understood(bench: Bench, manner: str, size: int) -> None:
    path = bench.add("id-1", "idcard_sdt", baud=9600, wrong_baud=manner)
    with Host(path, 115200) as host:
        noise = host.ask("2001", 11, within_s=0.1)
        assert len(noise) == size
        assert noise != NO_CARD[:8]
        bench.wait_count("id-1", "wrong_baud_bytes", 10)
        host.set_baud(9600)
        assert host.ask("2001", 11) == NO_CARD
        assert host.ask("6000", 11)[9] == 0x90
        host.set_baud(115200)
        assert host.ask("2001", 11) == NO_CARD


def test_half_a_request_is_answered_by_the_clock(reader: Host) -> None:
    reader.write(sdt("2001")[:-1])
    assert reader.read(11)[9] == 0x11


def test_a_pad_is_asked_pressed_and_acknowledged(bench: Bench) -> None:
    path = bench.add("pad-1", "pad_serial", profile="aa55_xor")
    with Host(path) as host:
        bench.do("pad-1 press 5")
        assert host.is_silent()
        host.write(ASK_PAD)
        bench.do("pad-1 wait-request 5")
        bench.do("pad-1 press 5")
        frame = bytes.fromhex("55AA02810182")
        assert host.read(12) == frame * 2
        host.write(bytes.fromhex("55AA010607"))
        bench.wait_count("pad-1", "acks")
        assert host.is_silent(0.4)
        bench.do("pad-1 press raw=55AA")
        assert host.read(2) == b"\x55\xaa"


def test_waiting_for_a_request_ends_when_it_comes(bench: Bench) -> None:
    path = bench.add("pad-1", "pad_serial")
    with Host(path) as host:
        waiter = threading.Thread(target=bench.do, args=("pad-1 wait-request",))
        waiter.start()
        host.write(ASK_PAD)
        waiter.join(5)
        assert not waiter.is_alive()
    bench.add("pad-2", "pad_serial")
    with pytest.raises(ScenarioError, match=re.escape("pad-2 wait-request was not done within 0.01 s")):
        bench.do("pad-2 wait-request 0.01")
    with pytest.raises(ScenarioError, match="within 0"):
        bench.do("pad-2 wait-request", limit_s=0)


def test_a_pad_at_the_wrong_rate_sends_noise(bench: Bench) -> None:
    with Host(bench.add("pad-1", "pad_serial", profile="ascii_keys"), 9600) as host:
        bench.do("pad-1 press 5")
        assert host.read(2) == b"5\r"
        host.set_baud(19200)
        bench.do("pad-1 press 5")
        noise = host.read(2)
        assert (len(noise), noise != b"5\r") == (2, True)


def test_the_heartbeat_of_a_pad_needs_no_host(bench: Bench) -> None:
    bench.add("pad-1", "pad_serial", profile="addressable", heartbeat=0.02)
    bench.wait_count("pad-1", "lost_bytes", 27)
    with Host(bench.path("pad-1"), 9600) as host:
        assert host.read(18) == bytes.fromhex("FF6802026801101116") * 2


def test_the_gun_scans_and_floods(bench: Bench) -> None:
    with Host(bench.add("gun-1", "code_serial", terminator="crlf"), 9600) as host:
        bench.do('gun-1 scan "虚构 1" encoding=gb18030 aim=]Q1')
        expected = "]Q1虚构 1\r\n".encode("gb18030")
        assert host.read(len(expected)) == expected
        bench.do("gun-1 scan A repeat=3 gap=0.01")
        assert host.read(9) == b"A\r\n" * 3
        bench.do("gun-1 flood 100 rate=1000")
        assert bench.counters("gun-1")["codes"] == 104
        lines = host.read(1300).split()
        assert (len(lines), lines[-1]) == (100, b"SIM-0000100")
        bench.do("gun-1 scan AB pace=0.01")
        assert host.read(4) == b"AB\r\n"

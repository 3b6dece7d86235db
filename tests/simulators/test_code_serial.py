"""The scan gun without I/O: what stands around a code, and how often it comes."""

from __future__ import annotations

import pytest

from simulators.code_serial import ScanGun
from simulators.model import Deed
from simulators.scenario import split_line
from simulators.words import ScenarioError, Words


def bind(gun: ScanGun, line: str) -> Deed:
    action, *words = split_line(line)
    return gun.actions()[action](Words(words))


def scanned(line: str, *options: str) -> bytes:
    gun = ScanGun(Words(options))
    gun.power_on(0)
    return b"".join(output.data for output in bind(gun, line).start(0))


@pytest.mark.parametrize(
    ("line", "data"),
    [
        ("scan ABC", b"ABC\r"),
        ('scan "A B=C#1" terminator=lf', b"A B=C#1\n"),
        ("scan a=b terminator=crlf", b"a=b\r\n"),
        ("scan ABC terminator=tab", b"ABC\t"),
        ("scan ABC terminator=none", b"ABC"),
        ("scan 虚构", "虚构".encode() + b"\r"),
        ("scan 虚构 encoding=gb18030", "虚构".encode("gb18030") + b"\r"),
        ("scan ABC aim=]Q1", b"]Q1ABC\r"),
        ("scan ABC aim=]C1 prefix=<< suffix=>>", b"<<]C1ABC>>\r"),
        ("scan ABC prefix=0x02 suffix=0x03", b"\x02ABC\x03\r"),
        ("scan hex=411d42", b"A\x1dB\r"),
    ],
)
def test_a_code(line: str, data: bytes) -> None:
    assert scanned(line) == data


def test_the_setting_of_the_gun_holds_until_a_scan_says_otherwise() -> None:
    options = ("encoding=gb18030", "aim=]Q1", "prefix=P", "terminator=lf")
    assert scanned("scan 码", *options) == b"P]Q1" + "码".encode("gb18030") + b"\n"
    assert scanned("scan 码 encoding=utf-8 aim= prefix=", *options) == "码".encode() + b"\n"


def test_the_same_code_again_and_again() -> None:
    gun = ScanGun(Words())
    gun.power_on(0)
    deed = bind(gun, "scan A repeat=3 gap=0.5")
    assert len(deed.start(0)) == 1
    assert gun.next_due() == 0.5
    assert gun.due(0.4) == []
    assert [output.data for output in gun.due(1.0)] == [b"A\r", b"A\r"]
    assert deed.finished()
    assert gun.counters["codes"] == 3


def test_a_flood_of_different_codes() -> None:
    gun = ScanGun(Words())
    gun.power_on(0)
    deed = bind(gun, "flood 1000 rate=1000")
    codes = [output.data for output in [*deed.start(0), *gun.due(2)]]
    assert codes[0] == b"SIM-0000001\r"
    assert len(set(codes)) == 1000
    assert deed.finished()
    assert len(deed.start(5)) == 1


def test_a_slow_gun_and_one_without_power() -> None:
    gun = ScanGun(Words(["pace=0.01"]))
    deed = bind(gun, "scan A")
    assert deed.start(0) == []
    assert deed.finished()
    gun.power_on(0)
    assert [output.pace_s for output in deed.start(0)] == [0.01]
    bind(gun, "flood 5").start(0)
    gun.power_off()
    assert gun.next_due() is None


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("scan", "TEXT is missing"),
        ("scan 码 encoding=ascii", "cannot be written in ascii"),
        ("scan A terminator=crfl", "did you mean 'crlf'"),
        ("scan A sufix=x", "did you mean 'suffix'"),
        ("scan hex=4", "hexadecimal"),
        ("scan A prefix=0xQ", "hexadecimal"),
        ("flood", "N is missing"),
        ("flood 3 rate=0", "more than 0"),
        ("flood x", "whole number"),
    ],
)
def test_wrong_words_are_refused(line: str, complaint: str) -> None:
    with pytest.raises(ScenarioError, match=complaint):
        scanned(line)


def test_a_gun_has_no_checksum() -> None:
    with pytest.raises(ScenarioError, match="no checksum"):
        ScanGun(Words()).spoiled(b"A\r")

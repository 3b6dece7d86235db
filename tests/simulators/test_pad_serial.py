"""The four pads without I/O: the frames of ``docs/pads.md`` byte for byte, and their habits."""

from __future__ import annotations

import pytest

from simulators.pad_serial import EvaluationPad
from simulators.words import ScenarioError, Words

REQUEST = {
    "aa55_xor": "55AA 02 011E 1D",
    "stx_len16": "02 0009 4556 303031323334 1E 09 03",
    "addressable": "FF68 0303 68 01501E 6F 16",
}
CANCEL = {
    "aa55_xor": "55AA 01 02 03",
    "stx_len16": "02 0002 434E 0D 03",
    "addressable": "FF68 0202 68 0152 53 16",
}
ACK = {"aa55_xor": "55AA 01 06 07", "addressable": "FF68 0202 68 01D1 D2 16"}
KEYS = {
    ("ascii_keys", "5"): "35 0D",
    ("ascii_keys", "1"): "31 0D",
    ("ascii_keys", "decline"): "30 0D",
    ("aa55_xor", "5"): "55AA 02 8101 82",
    ("aa55_xor", "4"): "55AA 02 8102 81",
    ("aa55_xor", "1"): "55AA 02 8105 86",
    ("aa55_xor", "decline"): "55AA 02 810F 8C",
    ("stx_len16", "5"): "02 0005 4556303041 52 03",
    ("stx_len16", "1"): "02 0005 4556303045 56 03",
    ("stx_len16", "decline"): "02 0004 45563032 11 03",
    ("addressable", "5"): "FF68 0303 68 015101 53 16",
    ("addressable", "1"): "FF68 0303 68 015105 57 16",
}
TIMED_OUT = {
    "aa55_xor": "55AA 02 8100 83",
    "stx_len16": "02 0004 45563031 12 03",
    "addressable": "FF68 0303 68 015100 52 16",
}
ACCEPTED = {"addressable": "FF68 0303 68 01D000 D1 16"}
HEARTBEAT = "FF68 0202 68 0110 11 16"
ASKED = tuple(REQUEST)


class Desk:
    """A pad with a clock of its own; everything is written in hexadecimal digits."""

    def __init__(self, profile: str, *options: str) -> None:
        self.pad = EvaluationPad(Words([f"profile={profile}", *options]))
        self.now = 50.0
        self.pad.power_on(self.now)

    def hears(self, text: str) -> str:
        return self._said(self.pad.receive(bytes.fromhex(text), self.now))

    def press(self, words: str) -> str:
        return self._said(self.pad.actions()["press"](Words(words.split())).start(self.now))

    def after(self, seconds: float) -> str:
        self.now += seconds
        return self._said(self.pad.due(self.now))

    @staticmethod
    def _said(outputs: object) -> str:
        assert isinstance(outputs, list)
        return "".join(output.data.hex() for output in outputs)


def same(said: str, expected: str) -> bool:
    return bytes.fromhex(said) == bytes.fromhex(expected)


@pytest.mark.parametrize(("profile", "key"), KEYS)
def test_a_key(profile: str, key: str) -> None:
    desk = Desk(profile, "always=1")
    assert same(desk.press(key), KEYS[profile, key])
    assert desk.pad.counters["presses"] == 1


@pytest.mark.parametrize("profile", ASKED)
def test_a_key_counts_only_once_while_asked(profile: str) -> None:
    desk = Desk(profile)
    assert desk.press("5") == ""
    assert same(desk.hears(REQUEST[profile]), ACCEPTED.get(profile, ""))
    assert same(desk.press("5"), KEYS[profile, "5"])
    assert desk.press("5") == ""
    assert desk.pad.counters["ignored_presses"] == 2
    assert desk.pad.counters["requests"] == 1


@pytest.mark.parametrize("profile", ASKED)
def test_a_cancel_ends_it(profile: str) -> None:
    desk = Desk(profile)
    desk.hears(REQUEST[profile])
    assert desk.hears(CANCEL[profile]) == ""
    assert desk.press("5") == ""
    assert desk.pad.counters["cancels"] == 1


@pytest.mark.parametrize("profile", ASKED)
def test_the_pads_own_time_runs_out(profile: str) -> None:
    desk = Desk(profile)
    desk.hears(REQUEST[profile])
    said = bytes.fromhex(desk.after(29.9)).replace(bytes.fromhex(HEARTBEAT), b"")
    assert said == b""
    said = bytes.fromhex(desk.after(0.2)).replace(bytes.fromhex(HEARTBEAT), b"")
    assert said == bytes.fromhex(TIMED_OUT[profile])
    desk.press("5")
    assert desk.pad.counters["ignored_presses"] == 1


@pytest.mark.parametrize(("profile", "every_s", "times"), [("aa55_xor", 0.3, 10), ("addressable", 0.5, 3)])
def test_a_key_is_repeated(profile: str, every_s: float, times: int) -> None:
    desk = Desk(profile)
    desk.hears(REQUEST[profile])
    frame = desk.press("4")
    assert [desk.after(every_s) for _ in range(times + 1)] == [frame] * times + [""]
    assert desk.pad.counters["repeats"] == times


@pytest.mark.parametrize("profile", list(ACK))
def test_an_acknowledged_key_is_not_repeated(profile: str) -> None:
    desk = Desk(profile)
    desk.hears(REQUEST[profile])
    frame = desk.press("4")
    assert desk.after(0.5) == frame
    desk.hears(ACK[profile])
    assert desk.after(1) == ""
    assert desk.pad.counters["acks"] == 1


def test_a_pad_without_acknowledgement_says_a_key_once() -> None:
    desk = Desk("stx_len16")
    desk.hears(REQUEST["stx_len16"])
    desk.press("4")
    assert desk.after(100) == ""


def test_a_heartbeat_every_five_seconds() -> None:
    desk = Desk("addressable")
    assert desk.after(4.9) == ""
    assert same(desk.after(0.2), HEARTBEAT)
    assert desk.pad.next_due() == pytest.approx(60.0)
    assert same(desk.after(4.9), HEARTBEAT)


def test_reasons() -> None:
    desk = Desk("stx_len16", "always=1")
    assert same(desk.press("1 reasons=401,512"), "02 000B 4556303045 343031353132 55 03")
    for wrong in ("1 reasons=4", "1 reasons=40a"):
        with pytest.raises(ScenarioError, match="digits"):
            desk.press(wrong)


def test_an_addressed_pad_keeps_its_address() -> None:
    desk = Desk("addressable", "address=2")
    assert desk.hears(REQUEST["addressable"]) == ""
    assert same(desk.hears("FF68 0303 68 02501E 70 16"), "FF68 0303 68 02D000 D2 16")
    assert same(desk.press("5"), "FF68 0303 68 025101 54 16")


@pytest.mark.parametrize("profile", ASKED)
def test_frames_arrive_in_pieces_and_among_noise(profile: str) -> None:
    desk = Desk(profile)
    request = bytes.fromhex(REQUEST[profile])
    for byte in b"\x00noise\x55\xff" + request:
        desk.hears(f"{byte:02x}")
    assert desk.pad.counters["requests"] == 1
    damaged = bytearray(request)
    damaged[-2 if profile != "aa55_xor" else -1] ^= 1
    desk.hears(damaged.hex() + request.hex())
    assert desk.pad.counters["requests"] == 2
    assert desk.pad.counters["bad_frames"] >= 1


@pytest.mark.parametrize("profile", ASKED)
def test_half_a_frame_is_forgotten(profile: str) -> None:
    desk = Desk(profile)
    desk.hears(REQUEST[profile][:7])
    desk.after(0.3)
    desk.hears(REQUEST[profile])
    assert desk.pad.counters["requests"] == 1


@pytest.mark.parametrize("profile", [*ASKED, "ascii_keys"])
def test_an_unknown_frame_is_ignored(profile: str) -> None:
    unknown = {
        "aa55_xor": "55AA 01 77 76",
        "stx_len16": "02 0001 41 41 03  02 FFFF 03",
        "addressable": "FF68 0202 68 0177 78 16",
        "ascii_keys": "41",
    }
    desk = Desk(profile)
    assert desk.hears(unknown[profile]) == ""
    assert desk.pad.counters["bad_frames"] >= 1


def test_a_request_without_a_limit() -> None:
    desk = Desk("aa55_xor")
    desk.hears("55AA 02 0100 03")
    assert desk.after(3600) == ""
    assert desk.press("5") != ""


def test_a_key_held_down() -> None:
    desk = Desk("ascii_keys")
    press = desk.pad.actions()["press"](Words(["3", "times=5", "rate=10"]))
    assert [output.data for output in press.start(desk.now)] == [b"3\r"]
    assert not press.finished()
    assert same(desk.after(0.45), "330D" * 4)
    assert press.finished()


def test_raw_bytes_and_a_pad_without_power() -> None:
    desk = Desk("aa55_xor")
    assert desk.press("raw=0102ff") == "0102ff"
    desk.hears(REQUEST["aa55_xor"])
    desk.pad.power_off()
    assert desk.press("5") == ""
    assert desk.press("raw=01") == ""
    desk.pad.power_on(desk.now)
    assert desk.press("5") == ""


def test_waiting_for_a_request() -> None:
    desk = Desk("aa55_xor")
    wait = desk.pad.actions()["wait-request"](Words(["2"]))
    assert wait.limit_s == 2
    assert not wait.finished()
    desk.hears(REQUEST["aa55_xor"])
    assert wait.finished()


@pytest.mark.parametrize("profile", [*ASKED, "ascii_keys"])
def test_a_wrong_checksum_is_one_byte(profile: str) -> None:
    desk = Desk(profile, "always=1")
    if profile == "ascii_keys":
        with pytest.raises(ScenarioError, match="no checksum"):
            desk.pad.spoiled(b"1\r")
        return
    frame = bytes.fromhex(desk.press("5"))
    spoiled = desk.pad.spoiled(frame)
    differing = [i for i in range(len(frame)) if frame[i] != spoiled[i]]
    assert differing == [len(frame) - (1 if profile == "aa55_xor" else 2)]


@pytest.mark.parametrize(
    ("profile", "words", "complaint"),
    [
        ("aa55_xor", "6", "unknown key '6'"),
        ("aa55_xor", "declin", "did you mean 'decline'"),
        ("aa55_xor", "", "either"),
        ("aa55_xor", "5 raw=00", "either"),
        ("aa55_xor", "5 rate=0", "more than 0"),
        ("aa55_xor", "5 reasons=401", "no reasons"),
        ("addressable", "decline", "unknown key 'decline'"),
    ],
)
def test_wrong_presses_are_refused(profile: str, words: str, complaint: str) -> None:
    with pytest.raises(ScenarioError, match=complaint):
        Desk(profile).press(words)


def test_other_mistakes_are_refused() -> None:
    with pytest.raises(ScenarioError, match="no heartbeat"):
        EvaluationPad(Words(["heartbeat=1"]))
    with pytest.raises(ScenarioError, match="never asked"):
        EvaluationPad(Words(["profile=ascii_keys"])).actions()["wait-request"](Words())
    with pytest.raises(ScenarioError, match="did you mean 'aa55_xor'"):
        EvaluationPad(Words(["profile=aa55-xor"]))

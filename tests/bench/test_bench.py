"""The bench's own promises: whatever piece a packet comes in, and a round with a wrong message is no round."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.contenders import Contender
from tests.bench.course import checked_round
from tests.bench.failure import BenchFailure
from tests.bench.figures import Row, Target, percentile
from tests.bench.listener import Reader
from tests.bench.report import Result, as_text


def message(number: int, *, window: str = "w", seq: int | None = None) -> bytes:
    """Return a PUBLISH of QoS 0 as the broker sends it, with a property and a length of two bytes."""
    topic = f"hall/v1/bench/{window}/event/code-scanner/gun-1/scanned".encode()
    body = b'{"epoch":7,"seq":"%d","text":"BENCH-%09d-%020d"}' % (number + 1 if seq is None else seq, number, 1_000)
    rest = len(topic).to_bytes(2, "big") + topic + b"\x02\x01\x01" + body.ljust(200)
    return b"\x30" + bytes([len(rest) & 0x7F | 0x80, len(rest) >> 7]) + rest


def round_of(tmp_path: Path, *messages: bytes, first: int = 0, fed: int = 3) -> list[float]:
    contender = Contender("(x)", "w", tmp_path, [], fed=fed)
    return checked_round(contender, [(2_001_000, b"".join(messages))], first, 0.0).latencies_ms


def test_a_message_is_understood_in_any_two_pieces() -> None:
    data = message(0) + message(1)
    for cut in range(len(data) + 1):
        found = list(Reader().feed([(1, data[:cut]), (2, data[cut:])]))
        assert [arrival.topic for arrival in found] == ["hall/v1/bench/w/event/code-scanner/gun-1/scanned"] * 2
        assert [arrival.payload.startswith(b'{"epoch"') for arrival in found] == [True, True]
        assert [arrival.at_ns for arrival in found][-1] == (1 if cut == len(data) else 2)


def test_a_complete_round_has_its_latencies(tmp_path: Path) -> None:
    assert round_of(tmp_path, message(0), message(1), message(2)) == [2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ([0, 2], "of 3 codes 1 are lost (the first is number 1), 0 came twice, the order is kept"),
        ([0, 1, 1, 2], "0 are lost, 1 came twice"),
        ([0, 2, 1], "0 are lost, 0 came twice, the order is broken"),
        ([], "3 are lost (the first is number 0)"),
    ],
)
def test_a_wrong_round_fails_loudly(tmp_path: Path, numbers: list[int], told: str) -> None:
    with pytest.raises(BenchFailure) as failure:
        round_of(tmp_path, *[message(number) for number in numbers])
    assert told in str(failure.value)


def test_a_gap_in_the_series_fails(tmp_path: Path) -> None:
    with pytest.raises(BenchFailure, match="its seq has a gap"):
        round_of(tmp_path, message(0), message(1), message(2, seq=9))


def test_a_message_of_another_program_fails(tmp_path: Path) -> None:
    with pytest.raises(BenchFailure, match=r"event 1 on hall/v1/bench/other/.* while"):
        round_of(tmp_path, message(0, window="other"), fed=1)


def test_the_ratio_is_taken_round_by_round() -> None:
    row = Row("latency", "100/s p50", "ms", Target(1.25, ratio=True), {"b": [1.0, 10.0, 1.0], "c": [1.2, 12.0, 9.0]})
    assert row.ratios() == [1.2, 1.2, 9.0]
    assert row.verdict() is True
    assert "PASS" in as_text(Result([row], {}, {}, 0.0, 1.0), 3)


def test_a_percentile_is_a_value_that_was_there() -> None:
    assert [percentile([4.0, 1.0, 3.0, 2.0], percent) for percent in (50, 99, 1)] == [2.0, 4.0, 1.0]

"""Frames as backends send them: padding, bits, short and long pages, silence, and what no backend should send."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from drivers import _sane_frames as frames
from drivers._sane_abi import Frame, SaneParameters
from edge.errors import DeviceError, DeviceLost, JobCancelled, Unsupported

PATIENCE_S = 10.0
GRAY, RGB = Frame.GRAY, Frame.RGB


class Backend:
    """Sends frames in pieces of *piece* bytes; ``None`` in a frame is a read that brings nothing."""

    def __init__(self, *sent: tuple[SaneParameters, bytes], piece: int = 7, silent_reads: int = 0) -> None:
        self.sent = list(sent)
        self.piece = piece
        self.silent_reads = silent_reads
        self.now = 0.0
        self.reads = 0
        self.at = 0
        self.index = 0

    def start(self) -> None:
        self.index, self.at = self.index + 1, 0

    def parameters(self) -> SaneParameters:
        return self.sent[self.index][0]

    def read(self, buffer: ctypes.Array[ctypes.c_char]) -> int:
        self.reads += 1
        if self.silent_reads:
            self.silent_reads -= 1
            return 0
        part = self.sent[self.index][1][self.at : self.at + self.piece]
        self.at += len(part)
        ctypes.memmove(buffer, part, len(part))
        return len(part) or -1

    def page(self) -> Any:
        reader = frames.PageReader(self, lambda: None, self.wait, lambda: self.now, PATIENCE_S)
        return reader.page(frames.form(self.parameters()))

    def wait(self, wait_s: float) -> None:
        self.now += wait_s


def like(
    frame: int, width: int, lines: int, depth: int = 8, *, line_bytes: int | None = None, last: bool = True
) -> SaneParameters:
    channels = 3 if frame == RGB else 1
    return SaneParameters(frame, int(last), line_bytes or channels * ((width * depth + 7) // 8), width, lines, depth)


def test_gray_with_padding() -> None:
    sent = bytes([1, 2, 3, 99, 4, 5, 6, 99])
    assert Backend((like(GRAY, 3, 2, line_bytes=4), sent)).page().tolist() == [[1, 2, 3], [4, 5, 6]]


def test_colours_become_blue_green_red() -> None:
    sent = bytes([1, 2, 3, 4, 5, 6, 99]) * 300
    page = Backend((like(RGB, 2, 300, line_bytes=7), sent)).page()
    assert page.shape == (300, 2, 3)
    assert {tuple(row.reshape(-1)) for row in page} == {(3, 2, 1, 6, 5, 4)}


def test_sixteen_bits_are_cut_to_the_upper_eight() -> None:
    sent = np.array([[0x1234, 0xFFFF, 0x00FF]], np.uint16).tobytes()
    assert Backend((like(GRAY, 3, 1, 16), sent)).page().tolist() == [[0x12, 0xFF, 0]]
    assert Backend((like(RGB, 1, 1, 16), sent)).page().tolist() == [[[0, 0xFF, 0x12]]]


def test_one_bit_is_black_in_gray_and_bright_in_colour() -> None:
    assert Backend((like(GRAY, 10, 1, 1), bytes([0b10000000, 0b01000000]))).page().tolist() == [
        [0, 255, 255, 255, 255, 255, 255, 255, 255, 0]
    ]
    assert Backend((like(RGB, 2, 1, 1), bytes([0x80, 0x40, 0xC0]))).page().tolist() == [[[255, 0, 255], [255, 255, 0]]]


@pytest.mark.parametrize("order", ["RGB", "BGR", "GBR"])
def test_three_passes(order: str) -> None:
    planes = {"R": Frame.RED, "G": Frame.GREEN, "B": Frame.BLUE}
    level = {"R": 10, "G": 20, "B": 30}
    sent = [(like(planes[one], 2, 2, last=at == 2), bytes([level[one]] * 4)) for at, one in enumerate(order)]
    page = Backend(*sent).page()
    assert page.shape == (2, 2, 3)
    assert page.reshape(-1, 3).tolist() == [[30, 20, 10]] * 4


@pytest.mark.parametrize(("lines", "sent_lines"), [(10, 4), (4, 10), (-1, 6), (0, 3)])
def test_the_page_is_as_long_as_what_came(lines: int, sent_lines: int) -> None:
    assert Backend((like(GRAY, 5, lines), bytes(5 * sent_lines + 3))).page().shape == (sent_lines, 5)


@pytest.mark.parametrize(
    "bad",
    [
        like(7, 5, 5),
        like(11, 5, 5),
        like(-1, 5, 5),
        like(GRAY, 5, 5, 4),
        like(GRAY, 5, 5, 32),
        like(GRAY, 0, 5),
        like(GRAY, 5, 5, line_bytes=4),
        like(RGB, 5, 5, line_bytes=14),
        like(GRAY, 9, 5, 1, line_bytes=1),
    ],
)
def test_what_no_backend_should_send(bad: SaneParameters) -> None:
    with pytest.raises(DeviceError) as caught:
        frames.form(bad)
    assert caught.value.code == "SAN-109"


@pytest.mark.parametrize(
    "sent",
    [
        [(like(GRAY, 5, 5), b"")],
        [(like(GRAY, 5, 5), b"1234")],
        [(like(Frame.RED, 2, 2, last=False), bytes(4)), (like(Frame.BLUE, 2, 3), bytes(6))],
        [(like(Frame.RED, 2, 2, last=False), bytes(4)), (like(GRAY, 2, 2), bytes(4))],
    ],
)
def test_no_page(sent: Sequence[tuple[SaneParameters, bytes]]) -> None:
    with pytest.raises(DeviceError) as caught:
        Backend(*sent).page()
    assert caught.value.code == "SAN-109"


def test_a_pause_is_waited_for_and_a_dead_backend_is_not() -> None:
    slow = Backend((like(GRAY, 2, 2), b"abcd"), silent_reads=400)
    assert slow.page().shape == (2, 2)
    assert 7 < slow.now < PATIENCE_S
    dead = Backend((like(GRAY, 2, 2), b"abcd"), silent_reads=10**9)
    with pytest.raises(DeviceLost) as caught:
        dead.page()
    assert caught.value.code == "SAN-105"
    assert dead.now == pytest.approx(PATIENCE_S, abs=0.1)
    assert dead.reads < 1000


def test_a_page_without_an_end_stops_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MAX_PAGE_BYTES", 1000)
    with pytest.raises(Unsupported) as caught:
        Backend((like(GRAY, 5, -1), bytes(100_000))).page()
    assert caught.value.code == "SAN-121"
    with pytest.raises(Unsupported):
        frames.check_size(like(RGB, 20, 20))
    frames.check_size(like(RGB, 20, 16))


def test_a_page_that_no_jpeg_can_hold() -> None:
    with pytest.raises(Unsupported):
        Backend((like(GRAY, 1, -1), bytes(frames.MAX_SIDE + 1)), piece=4096).page()


def test_a_cancel_is_heard_within_a_strip() -> None:
    backend = Backend((like(GRAY, 5, 1000), bytes(5000)))

    def check() -> None:
        if backend.reads == 3:
            raise JobCancelled("the job was cancelled")

    with pytest.raises(JobCancelled):
        frames.PageReader(backend, check, backend.wait, lambda: 0.0, PATIENCE_S).page(frames.form(backend.parameters()))
    assert backend.reads == 3

"""The frame engine: all shipped profiles, every split, garbage, and shapes nobody thought of."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers._pad_compile import load
from drivers._pad_frame import CHECKSUMS, ChecksumKind, Cut, Cutter, Shape
from drivers._pad_notation import Field, Part
from drivers._pad_protocol import Signal
from tests.drivers.test_pad_fakes import PADS, PadBytes, addressable, stx_key

VALUES = {"address": 1, "staff": 42, "timeout": 30}
profiles = pytest.mark.parametrize("name", PADS)
all_profiles = st.sampled_from(list(PADS))


def cutter(name: str) -> Cutter:
    protocol = load(name)
    return Cutter(protocol.shape, 1, protocol.gap_s)


def signals(name: str, *chunks: bytes) -> list[Signal]:
    cutting, protocol = cutter(name), load(name)
    return [protocol.understand(body) for chunk in chunks for body in cutting.feed(chunk)]


def said(pad: PadBytes) -> list[tuple[bytes, Signal]]:
    """Return frames with what they mean, without ``raw``, which is checked elsewhere."""
    found = [(frame, Signal("key", means=level)) for level, frame in pad.keys.items()]
    found += [
        (pad.declined, Signal("key", means="declined")),
        (pad.timed_out, Signal("key", means="timed-out")),
    ]
    found += [(pad.accepted, Signal("accepted")), (pad.heartbeat, Signal("heartbeat"))]
    return [(frame, signal) for frame, signal in found if frame]


@profiles
def test_what_the_host_says_is_as_documented(name: str) -> None:
    protocol, pad = load(name), PADS[name]
    assert protocol.frame(protocol.request, VALUES) == pad.request
    assert protocol.frame(protocol.cancel, VALUES) == pad.cancel
    assert protocol.frame(protocol.key_taken, VALUES) == pad.taken
    assert (protocol.profile.repeat.every_s if protocol.profile.repeat else 0) == pad.repeat_s


@profiles
def test_what_the_pad_says_is_understood(name: str) -> None:
    for frame, wanted in said(PADS[name]):
        (signal,) = signals(name, frame)
        assert (signal.what, signal.means, signal.reasons) == (wanted.what, wanted.means, ())
    assert [signal.what for signal in signals(name, PADS[name].unmapped)] == ["unmapped"]


def test_reasons_follow_the_key() -> None:
    (signal,) = signals("stx_len16", stx_key("EV00E401512"))
    assert (signal.means, signal.reasons, signal.bad_reasons) == (1, ("401", "512"), False)
    (signal,) = signals("stx_len16", stx_key("EV00D40151"))
    assert (signal.means, signal.reasons, signal.bad_reasons) == (2, ("401",), True)
    (signal,) = signals("stx_len16", stx_key("EV00D40 512"))
    assert (signal.means, signal.reasons, signal.bad_reasons) == (2, ("512",), True)


@profiles
def test_every_split_gives_the_same(name: str) -> None:
    stream = b"".join(frame for frame, _ in said(PADS[name]))
    whole = signals(name, stream)
    assert len(whole) == len(said(PADS[name]))
    for at in range(len(stream)):
        assert signals(name, stream[:at], stream[at:]) == whole
    assert signals(name, *(bytes([byte]) for byte in stream)) == whole


@settings(deadline=None)
@given(
    name=all_profiles,
    noise=st.lists(st.binary(max_size=20)),
    cuts=st.lists(st.integers(0, 400)),
    data=st.data(),
)
def test_noise_costs_no_good_frame(name: str, noise: list[bytes], cuts: list[int], data: st.DataObject) -> None:
    """A beginning in the noise may hold a frame back until the line is silent, but never costs one."""
    frames = [frame for frame, _ in said(PADS[name])]
    chosen = data.draw(st.lists(st.sampled_from(frames), min_size=len(noise), max_size=len(noise)))
    stream = b"".join(part for pair in zip(noise, chosen, strict=True) for part in pair)
    cutting = cutter(name)
    places = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    got = [body for start, end in pairwise(places) for body in cutting.feed(stream[start:end])]
    got += cutting.silence()
    assert not cutting.pending
    wanted = [cutter(name).feed(frame)[0] for frame in chosen]
    rest = iter(got)  # noise may spell a frame by itself: what was sent has to be there, in its order
    assert all(body in rest for body in wanted)


@settings(deadline=None)
@given(name=all_profiles, chunks=st.lists(st.binary(max_size=300)))
def test_any_bytes_are_survived_with_bounded_memory(name: str, chunks: list[bytes]) -> None:
    protocol = load(name)
    cutting = Cutter(protocol.shape, 1, protocol.gap_s)
    for chunk in chunks:
        for body in cutting.feed(chunk):
            protocol.understand(body)
        assert len(cutting._buffer) < protocol.shape.max_size  # noqa: SLF001  the promise is about memory
    cutting.silence()
    assert not cutting.pending


def test_a_length_that_cannot_be_is_no_frame() -> None:
    key = PADS["stx_len16"].keys[3]
    for length in (b"\x00\x00", b"\xff\xff", b"\x03\x01"):
        assert [s.means for s in signals("stx_len16", b"\x02" + length + key)] == [3]
    assert not signals("addressable", b"\xff\x68\x03\x04\x68" + addressable("5101")[5:])


def test_a_frame_for_another_address_is_not_ours() -> None:
    cutting = cutter("addressable")
    assert cutting.feed(addressable("51 01", address=2) + addressable("51 02")) == [b"\x51\x02"]
    assert cutting.foreign == 1


def test_a_broken_checksum_is_no_frame() -> None:
    for name, pad in PADS.items():
        frame = pad.keys[5]
        if name == "ascii_keys":
            continue
        for at in range(len(frame)):
            broken = frame[:at] + bytes([frame[at] ^ 0x20]) + frame[at + 1 :]
            assert not signals(name, broken), (name, at)


def test_lost_carriage_return_costs_only_its_own_key() -> None:
    assert [signal.means for signal in signals("ascii_keys", b"14\r5\r\n3\r")] == [4, 5, 3]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("xor", 0x31),
        ("sum8", 0xDD),
        ("sum8-twos-complement", 0x23),
        ("crc16-modbus", 0x4B37),
        ("crc16-ccitt", 0x29B1),
        ("crc16-xmodem", 0x31C3),
    ],
)
def test_checksums_have_their_published_values(kind: ChecksumKind, value: int) -> None:
    assert CHECKSUMS[kind][1](b"123456789") == value


# --- shapes nobody has thought of ----------------------------------------------------------------


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    cut: Cut = draw(st.sampled_from(["length-field", "end-mark", "fixed-length", "idle-gap"]))
    mark = st.binary(min_size=1, max_size=3)
    before: list[Part] = [draw(mark)] if draw(st.booleans()) else []
    if cut == "length-field":
        length = Field("length", draw(st.sampled_from(["u8", "u16be", "u16le", "d3"])))
        before += [length, draw(mark), length] if draw(st.booleans()) else [length]
    if draw(st.booleans()):
        before += [Field("address", "u8")]
    kind: ChecksumKind | None = draw(st.sampled_from([None, *CHECKSUMS]))
    after: list[Part] = []
    if kind:
        after += [Field("checksum", "u8" if CHECKSUMS[kind][0] == 1 else draw(st.sampled_from(["u16be", "u16le"])))]
    if cut == "end-mark" or draw(st.booleans()):
        after += [draw(mark)]
    size = draw(st.integers(1, 12))
    shape = Shape(cut, tuple(before), tuple(after), 12, size, draw(st.integers(-1, 5)), kind)
    return Shape(
        cut,
        tuple(before),
        tuple(after),
        12,
        size,
        shape.length_adds,
        kind,
        draw(st.integers(0, shape.width_before)),
    )


@settings(deadline=None)
@given(shape=shapes(), data=st.data(), at=st.integers(0, 40))
def test_what_the_engine_writes_it_reads(shape: Shape, data: st.DataObject, at: int) -> None:
    fixed = shape.cut == "fixed-length"
    size = st.just(shape.body_bytes) if fixed else st.integers(1, 12)
    body = data.draw(size.flatmap(lambda n: st.binary(min_size=n, max_size=n)))
    if shape.cut == "end-mark":
        body = b"\xee" * len(body) if shape.tail[0] != 0xEE else b"\xdd" * len(body)
    frame = shape.encode(body, 7)
    cutting = Cutter(shape, 7, 0.1)
    got = cutting.feed(frame[:at]) + cutting.feed(frame[at:])
    if shape.cut == "end-mark" and shape.checksum and shape.tail[:1] in frame[shape.width_before + len(body) :][:2]:
        return  # the checksum looks like the tail: another test
    assert (got or cutting.silence()) == [body]


def test_a_checksum_that_looks_like_the_end_mark_does_not_end_the_frame() -> None:
    shape = Shape("end-mark", (b"\x3a",), (Field("checksum", "u8"), b"\x0d"), 8, checksum="xor", checksum_start=1)
    frame = shape.encode(b"\x0a\x07", 0)
    assert frame == bytes.fromhex("3A 0A 07 0D 0D")
    assert Cutter(shape, 0, 0.1).feed(frame) == [b"\x0a\x07"]
    assert Cutter(shape, 0, 0.1).feed(shape.encode(b"\x0d\x0d\x01", 0)) == [b"\x0d\x0d\x01"]


def test_an_idle_gap_ends_a_frame_and_too_much_is_none() -> None:
    shape = Shape("idle-gap", (b"\x7e",), (Field("checksum", "u8"),), 4, checksum="sum8")
    cutting = Cutter(shape, 0, 0.05)
    frame = shape.encode(b"K5", 0)
    assert cutting.feed(frame[:2]) + cutting.feed(frame[2:]) == []
    assert cutting.silence() == [b"K5"]
    assert cutting.feed(frame * 3) == []
    assert cutting.silence() == []
    assert cutting.feed(frame) + cutting.silence() == [b"K5"]

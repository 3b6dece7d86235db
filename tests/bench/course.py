"""Feeds codes into a contender's line and collects its messages, in one thread and one loop."""

from __future__ import annotations

import os
import random
import re
import select
import time
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from tests.bench.contenders import HALL, Contender
from tests.bench.failure import BenchFailure
from tests.bench.listener import Arrival, Chunk, Listener, Reader

_CODE = re.compile(rb"BENCH-(\d{9})-(\d{20})")
_SERIES = re.compile(rb'"epoch":(\d+),"seq":"(\d+)"')
_LONGEST_CODE = 64
_LOST_S = 20.0
_PROBE_S = 0.02
_PROBES_S = 0.5  # so long may a probe take that was written before the first one came through
_FIRST_S = 20.0
_ROOM_S = 0.001  # a pty does not always say when it has room again
_WRITE_BYTES = 4096
_JITTER = 0.2
_ACK_EVENTS = 100


class Round(NamedTuple):
    """What one round gave."""

    latencies_ms: list[float]
    took_s: float
    payload_bytes: int


class Course:
    """Runs rounds; after each it waits for *quiet_s*, in which no message may come and a program comes to rest."""

    def __init__(self, listener: Listener, quiet_s: float) -> None:
        self._listener = listener
        self._quiet_s = quiet_s

    def first_event(self, contender: Contender) -> float:
        """Start *contender*; return the seconds to its first message. A code is tried every 20 ms."""
        began = time.monotonic()
        contender.start()
        seen, tried_at = b"", 0.0
        while b"PROBE-" not in seen:
            now = time.monotonic()
            if now - began > _FIRST_S:
                raise BenchFailure(f"{contender.label}: no message in {_FIRST_S:g} s\n{contender.log_tail()}")
            contender.check()
            if now - tried_at >= _PROBE_S:
                tried_at = now
                contender.port.write(b"PROBE-%020d\r" % time.monotonic_ns())  # to nobody while it is not open
            chunk = self._listener.take(tried_at + _PROBE_S - now)
            seen = seen[-_LONGEST_CODE:] + (chunk[1] if chunk else b"")
        took_s = time.monotonic() - began
        self._until_quiet(_PROBES_S)
        return took_s

    def paced(self, contender: Contender, rate: float, seconds: float) -> Round:
        """Feed *rate* codes a second, jittered a little so that no other timer of the machine is in step.

        A code's time is when it was written, or, behind a line that was full, when it should have been.
        """
        start, slot = time.monotonic_ns() + 20_000_000, 1e9 / rate
        jitter = random.Random(rate)
        due = [start + int((n + jitter.uniform(0, _JITTER)) * slot) for n in range(round(rate * seconds))]
        first, chunks, behind = contender.fed, list[Chunk](), False
        for number, at in enumerate(due, first):
            while (wait_ns := at - time.monotonic_ns()) > 0:
                behind = False
                if (chunk := self._listener.take(wait_ns / 1e9)) is not None:
                    chunks.append(chunk)
            data = b"BENCH-%09d-%020d\r" % (number, at if behind else time.monotonic_ns())
            if (written := _write(contender.fd, data)) < len(data):
                behind = True
                self._push(contender, memoryview(data)[written:], chunks, None)
        contender.fed += len(due)
        self._collect(contender, chunks, None)
        return checked_round(contender, chunks, first, start / 1e9)

    def burst(self, contender: Contender, count: int) -> Round:
        """Feed *count* codes as fast as the line takes them; time runs from the first byte to the last message."""
        first = contender.fed
        data = b"".join(b"BENCH-%09d-%020d\r" % (number, 0) for number in range(first, first + count))
        contender.fed += count
        chunks: list[Chunk] = []
        office = _Office(contender, self._listener) if contender.subscriber else None
        began = time.monotonic()
        self._push(contender, memoryview(data), chunks, office)
        self._collect(contender, chunks, office)
        return checked_round(contender, chunks, first, began)

    def _push(self, contender: Contender, rest: memoryview, chunks: list[Chunk], office: _Office | None) -> None:
        """Write *rest* as fast as the line takes it, and go on collecting meanwhile."""
        last = time.monotonic()
        while rest:
            select.select([self._listener], [contender.fd], [], _ROOM_S)
            if (written := _write(contender.fd, rest[:_WRITE_BYTES])) > 0:
                rest, last = rest[written:], time.monotonic()
            elif time.monotonic() - last > _LOST_S:
                raise BenchFailure(f"{contender.label} takes no more codes\n{contender.log_tail()}")
            if (chunk := self._listener.take(0)) is not None:
                chunks.append(chunk)
                if office:
                    office.heard(chunk)

    def _collect(self, contender: Contender, chunks: list[Chunk], office: _Office | None) -> None:
        """Add to *chunks* until the last code has come, and then whatever should not come after it."""
        last = b"BENCH-%09d" % (contender.fed - 1)
        tail = b"".join(data for _, data in chunks)
        deadline = time.monotonic() + _LOST_S
        while last not in tail and time.monotonic() < deadline:
            contender.check()
            if (chunk := self._listener.take(1.0)) is not None:
                deadline = time.monotonic() + _LOST_S
                chunks.append(chunk)
                tail = tail[-_LONGEST_CODE:] + chunk[1]
                if office:
                    office.heard(chunk)
        chunks.extend(self._until_quiet())

    def _until_quiet(self, at_least_s: float = 0.0) -> list[Chunk]:
        chunks = []
        while (chunk := self._listener.take(max(self._quiet_s, at_least_s))) is not None:
            chunks.append(chunk)
        return chunks


class _Office:
    """A registered subscriber at its least: it acknowledges every 100 events."""

    def __init__(self, contender: Contender, listener: Listener) -> None:
        self._listener = listener
        self._topic = f"hall/v1/{HALL}/{contender.name}/ack/{contender.subscriber}"
        self._last = b"BENCH-%09d" % (contender.fed - 1)
        self._reader = Reader()
        self._heard = 0

    def heard(self, chunk: Chunk) -> None:
        """Count what *chunk* completes, and acknowledge when it is time."""
        for arrival in self._reader.feed([chunk]):
            self._heard += 1
            if self._heard % _ACK_EVENTS == 0 or self._last in arrival.payload:
                epoch, seq = _series(arrival)
                self._listener.publish(self._topic, msgspec.json.encode({"epoch": epoch, "upto_seq": str(seq)}))


def _write(fd: int, data: bytes | memoryview) -> int:
    """Return how many bytes the line took."""
    try:
        return os.write(fd, data)
    except BlockingIOError:
        return 0


def checked_round(contender: Contender, chunks: Sequence[Chunk], first: int, began: float) -> Round:
    """Return the figures of a round in which every code came once, in order, from *contender* alone."""
    arrivals = list(Reader().feed(chunks))
    found = [_code(contender, arrival) for arrival in arrivals]
    numbers = [number for number, _ in found]
    if numbers != list(range(first, contender.fed)):
        wrong = _what_is_wrong(numbers, first, contender.fed)
        raise BenchFailure(f"{contender.label}: {wrong}\n{contender.log_tail()}")
    series = [_series(arrival)[1] for arrival in arrivals]
    if series != list(range(series[0], series[0] + len(series))):
        raise BenchFailure(f"{contender.label}: its seq has a gap")
    latencies = [(arrival.at_ns - sent) / 1e6 for arrival, (_, sent) in zip(arrivals, found, strict=True)]
    return Round(latencies, arrivals[-1].at_ns / 1e9 - began, len(arrivals[0].payload))


def _code(contender: Contender, arrival: Arrival) -> tuple[int, int]:
    found = _CODE.search(arrival.payload)
    if found is None or arrival.topic.split("/")[3] != contender.name:
        late = _series(arrival)[1]
        raise BenchFailure(f"event {late} on {arrival.topic} while {contender.label} has its turn")
    return int(found[1]), int(found[2])


def _series(arrival: Arrival) -> tuple[int, int]:
    found = _SERIES.search(arrival.payload)
    if found is None:
        raise BenchFailure(f"an event without epoch and seq on {arrival.topic}")
    return int(found[1]), int(found[2])


def _what_is_wrong(numbers: Sequence[int], first: int, end: int) -> str:
    lost = set(range(first, end)) - set(numbers)
    doubled = len(numbers) - len(set(numbers))
    where = f" (the first is number {min(lost) - first})" if lost else ""
    order = "kept" if list(numbers) == sorted(numbers) else "broken"
    return f"of {end - first} codes {len(lost)} are lost{where}, {doubled} came twice, the order is {order}"

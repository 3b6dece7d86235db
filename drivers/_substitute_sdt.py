"""Replaces what ID-card readers say of people, their cards and themselves, for recordings. Frames stay frames.

What is in no whole frame is noise or damage, which may be a piece of a record: it becomes zeros, and stays damage.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any

from drivers import _sdt_record as records
from drivers import _sdt_status as status
from drivers import _substitute_people as people
from drivers._sdt_frame import HEADER_BYTES, MAX_LENGTH, MIN_LENGTH, PREAMBLE, checksum
from drivers._sdt_sam import ADDRESSES, FIND
from drivers._sdt_tables import NATIONS
from edge.substitute import Sign, Substitute, plain

_STATUS_BYTES = 3
_OPEN = HEADER_BYTES + _STATUS_BYTES  # so much of a frame says nothing about anybody
_SAM_ID, _KIND_BYTES = 16, 4
_MADE = 20200101
_BLANK = " ".encode("utf-16-le")
_VALID, _EXPIRED, _NOT_YET = ("20230101", "20430101"), ("20030101", "20130101"), ("20900101", "20991231")
_SEX_CODES = ("1", "2")


class SdtSubstitute(Substitute):
    """Replaces the traffic of one reader."""

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self._held = bytearray()
        self._asked = b""
        self._tail = b""

    def starts(self, sign: Sign, data: bytes) -> bool:
        """Begin where no card lies there and one is looked for: a driver that has just opened does that too."""
        if sign == "<":
            self._tail += data
            return False
        free = self._asked == FIND.frame and self._no_card(self._tail)
        if sign == "$":
            return free
        self._asked, self._tail = data, b""
        return free and data == FIND.frame

    def feed(self, data: bytes, gap_s: float) -> bytes:
        del gap_s
        self._held += data
        return self._taken(final=False)

    def flush(self) -> bytes:
        return self._taken(final=True)

    def params(self, params: Mapping[str, Any], sealed: Collection[str]) -> dict[str, Any]:
        """Return the number of whoever stands for the person that is asked for."""
        del sealed
        new: dict[str, Any] = {}
        if "number" in params:
            new["number"] = people.person(self, params["number"]).number
        if "purpose" in params:
            new["purpose"] = "recording"
        return new

    @staticmethod
    def _no_card(answer: bytes) -> bool:
        return answer.startswith(PREAMBLE) and answer[_OPEN - 1 : _OPEN] == bytes((status.NO_CARD,))

    # -- the stream ---------------------------------------------------------------------------------

    def _taken(self, *, final: bool) -> bytes:
        """Return what is held back and can be replaced now; *final*: all of it."""
        done = bytearray()
        while (start := self._held.find(PREAMBLE)) >= 0:
            done += bytes(start)
            del self._held[:start]
            size, real = self._frame_size()
            if len(self._held) < size and not final:
                return bytes(done)
            frame = bytes(self._held[:size])
            if real and len(frame) == size and not checksum(frame[len(PREAMBLE) :]):
                done += self._frame(frame)
            else:
                frame = _until_another(frame)
                done += _damaged(frame, size if real else 0)
            del self._held[: len(frame)]
        noise = len(self._held) if final else max(0, len(self._held) - len(PREAMBLE) + 1)
        del self._held[:noise]
        return bytes(done) + bytes(noise)

    def _frame_size(self) -> tuple[int, bool]:
        """Return the size of the frame that begins here, or of its head, and whether it can be a frame at all."""
        if len(self._held) < HEADER_BYTES:
            return HEADER_BYTES, True
        length = int.from_bytes(self._held[len(PREAMBLE) : HEADER_BYTES], "big")
        real = MIN_LENGTH <= length <= MAX_LENGTH
        return (HEADER_BYTES + length if real else HEADER_BYTES), real

    def _frame(self, frame: bytes) -> bytes:
        """Return a whole frame with other data in it."""
        new = frame[:_OPEN] + self._data(frame[_OPEN:-1])
        return new + bytes((checksum(new[len(PREAMBLE) :]),))

    # -- what is in a frame -------------------------------------------------------------------------

    def _data(self, data: bytes) -> bytes:
        """Return the data of an answer, replaced by its shape; what has no known shape becomes zeros."""
        if len(data) == _SAM_ID:
            dice = self.dice("reader", data)
            numbers = (_MADE, dice.randrange(10**9), dice.randrange(10**9))
            return data[:_KIND_BYTES] + b"".join(number.to_bytes(4, "little") for number in numbers)
        if len(data) in ADDRESSES.sizes:
            return self._addresses(data)
        for with_fingerprints in (False, True):
            try:
                sections = records.split(data, with_fingerprints=with_fingerprints)
            except records.UnreadableError:
                continue
            head = data[: 6 if with_fingerprints else 4]
            fingers = bytes(len(sections.fingerprints or b""))
            return head + self._text(sections.text) + self._photo(sections.photo) + fingers
        return bytes(len(data))

    def _photo(self, photo: bytes) -> bytes:
        """Return a block of the same size in which nobody can be seen."""
        grey = self.dice("photo", photo).randrange(0x20, 0xA0)
        return bytes(grey + at % 8 for at in range(len(photo)))

    def _addresses(self, data: bytes) -> bytes:
        size = records.ADDRESS_BYTES
        entries = (data[at : at + size] for at in range(0, len(data), size))
        return b"".join(_fitting(self._address(entry), size) for entry in entries)

    def _address(self, entry: bytes) -> str:
        return people.address(self.dice("address", entry)) if records.addresses(entry) else ""

    def _text(self, text: bytes) -> bytes:
        """Return a text record about somebody else, in the same layout; of an unknown one only the type stays."""
        mark = text[records.TYPE_AT : records.TYPE_AT + 2]
        document = records.DOCUMENTS.get(records.decoded(mark))
        new = bytearray(_fitting("", records.TEXT_BYTES))
        new[records.TYPE_AT : records.TYPE_AT + 2] = mark if document or mark[1:] == b"\0" else _BLANK
        if document is not None:
            layout = records.LAYOUTS[document]
            raw = {field: plain(records.field_of(text, places)) for field, places in layout.items()}
            for field, value in self._holder(raw).items():
                _put(new, layout[field], value)
        return bytes(new) + bytes(len(text) - len(new))

    def _holder(self, raw: Mapping[str, str]) -> dict[str, str]:
        """Return the fields of the person who stands for the one of *raw*."""
        new = people.person(self, raw["number"] or raw["name"])
        dice = self.dice("holder", *sorted(raw.items()))
        valid = _validity(raw["valid_from"], raw["valid_until"])
        values = {
            "number": new.number if raw["number"] else "",
            "birth_date": new.birth,
            "sex": new.sex if raw["sex"] in _SEX_CODES else raw["sex"] if raw["sex"] in ("0", "9", "") else "0",
            "nation": dice.choice(sorted(NATIONS)[:56]) if raw.get("nation") in NATIONS else raw.get("nation", ""),
            "address": people.address(dice),
            "issuer": people.ISSUER,
            "nationality": people.NOBODYS_COUNTRY,
            "valid_from": valid[0],
            "valid_until": records.LONG_TERM if raw["valid_until"] == records.LONG_TERM else valid[1],
            "name": people.name(dice, raw["name"]),
            "name_zh": people.name(dice, raw.get("name_zh", "")),
        }
        return {field: values[field] if field in values else people.like(dice, value) for field, value in raw.items()}


def _until_another(frame: bytes) -> bytes:
    """Return the beginning of a false frame up to where another may begin."""
    at = 1
    while (at := frame.find(PREAMBLE[:1], at)) > 0:
        if PREAMBLE.startswith(frame[at : at + len(PREAMBLE)]) or frame.startswith(PREAMBLE, at):
            return frame[:at]
        at += 1
    return frame


def _damaged(frame: bytes, size: int) -> bytes:
    """Return the head of *frame*, which says nothing about anybody, and zeros; one of *size* stays damaged."""
    new = bytearray(frame[:_OPEN].ljust(len(frame), b"\0"))
    if len(new) == size and not checksum(bytes(new[len(PREAMBLE) :])):
        new[-1] ^= 1
    return bytes(new)


def _validity(start: str, end: str) -> tuple[str, str]:
    """Return other days of which the same is true today."""
    warnings = records.validity_warnings(records.iso_date(start), records.iso_date(end), dt.date.today())  # noqa: DTZ011
    return _EXPIRED if "expired" in warnings else _NOT_YET if "not-yet-valid" in warnings else _VALID


def _fitting(text: str, size: int) -> bytes:
    """Return *text* as a field of *size* bytes."""
    data = text.encode("utf-16-le", "surrogatepass")[:size]
    return data + _BLANK * ((size - len(data)) // 2)


def _put(record: bytearray, places: tuple[tuple[int, int], ...], text: str) -> None:
    data = _fitting(text, sum(size for _, size in places))
    for at, size in places:
        record[at : at + size], data = data[:size], data[size:]

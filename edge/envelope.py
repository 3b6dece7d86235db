"""From a driver's payload to the bytes of one outbox row: both views of an event, checked and sealed."""

from __future__ import annotations

import ctypes
import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edge.blobs.rows import StoredBlob
from edge.decoders import json_decoder
from edge.delivery.topics import Topics
from edge.errors import EdgeError
from edge.events import Envelope, Payload
from edge.secret import reveal
from edge.store.outbox import Row
from edge.store.retention import Kept

if TYPE_CHECKING:
    from edge.sealing.jwe import Sealer

MAX_EVENT_BYTES = 32 * 1024
_EPOCH = datetime.fromtimestamp(0, UTC)
_CLOCK_CHECK_S = 30.0
_STA_UNSYNC = 0x0040
TIMESYNCD = Path("/run/systemd/timesync/synchronized")
"""Touched whenever systemd-timesyncd has set the clock."""
_TRUSTED_S = 9 * 3600  # by then the kernel counts an error of 16 s, and gives up
_MINUTE_S = 60.0


class BadPayload(EdgeError):
    """A driver returned what the vocabulary does not allow: a bug in the driver. Names places, not values."""

    default_code = "DRV-100"
    default_action = "report it to the driver's author; the event was not accepted"


@dataclass(frozen=True, slots=True)
class Draft:
    """An event on its way into the outbox; times are those of the driver's report."""

    device: str
    payload: Payload
    mode: str = "live"
    case: str | None = None
    time_ns: int = field(default_factory=time.time_ns)
    mono_ns: int = field(default_factory=time.monotonic_ns)
    blob: StoredBlob | None = None


class EnvelopeRenderer:
    """Gives drafts their envelope. Used in the outbox's transaction: only there ``seq`` is known."""

    def __init__(
        self,
        hall: str,
        window: str,
        *,
        lab: bool = False,
        sealer: Sealer | None = None,
        kept: Kept | None = None,
    ) -> None:
        self._place = f"{hall}/{window}"
        self._topics = Topics(hall, window)
        self._urn = f"urn:hall:{hall}:{window}"
        self._lab = lab
        self._sealer = sealer
        self._kept = kept or Kept()
        self._boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        self._clock = ClockWatch()

    @property
    def boot(self) -> str:
        """The kernel's boot id: tells which ``mono`` values belong together."""
        return self._boot

    @property
    def seals(self) -> bool:
        """Whether there is somebody to seal personal data to."""
        return self._sealer is not None

    def renew(self, sealer: Sealer | None, kept: Kept) -> None:
        """Seal to other keys from now on (``None``: to the same), and say for how long events are kept."""
        self._sealer = sealer or self._sealer
        self._kept = kept

    def render(self, draft: Draft, seq: int, epoch: int) -> Row:
        """Return the row of *draft*; raises :class:`BadPayload`."""
        payload = draft.payload
        full = _checked(payload)
        hidden = payload.hidden()
        public = msgspec.json.encode(payload.view(sealed=False)) if hidden else full
        envelope = self._envelope(draft, seq, epoch, msgspec.Raw(public))
        suffix = f"{payload.kind}/{draft.device}/{payload.type}"
        sealed = self._seal(envelope, full, suffix, draft.time_ns) if hidden else None
        body = msgspec.json.encode(envelope)
        if max(len(body), len(sealed or b"")) > MAX_EVENT_BYTES:
            raise BadPayload(f"{payload!r} is larger than {MAX_EVENT_BYTES} bytes", code="DRV-102")
        return Row(seq, envelope.id, suffix, envelope.class_, body, sealed, blob=draft.blob)

    def _envelope(self, draft: Draft, seq: int, epoch: int, data: msgspec.Raw) -> Envelope:
        payload = draft.payload
        return Envelope(
            specversion="1.0",
            id=uuid7(draft.time_ns),
            source=f"{self._urn}:{draft.device}",
            type=f"hall.{payload.kind}.{payload.type}.v1",
            time=rfc3339(draft.time_ns),
            dataschema=f"urn:hall-edge:v1:{payload.kind}.{payload.type}",
            datacontenttype="application/json",
            epoch=epoch,
            seq=str(seq),
            boot=self._boot,
            mono=str(draft.mono_ns),
            clock="synced" if self._clock.synced() else "free",
            mode=draft.mode,  # type: ignore[arg-type]  # checked where the configuration is read
            class_=payload.sensitivity(),
            data=data,
            subject=f"case/{draft.case}" if draft.case else None,
            sealed=bool(payload.hidden()),
            lab=self._lab,
        )

    def _seal(self, envelope: Envelope, full: bytes, suffix: str, time_ns: int) -> bytes:
        sealer = self._sealer
        if sealer is None:
            raise BadPayload("a personal event, and nobody to seal it to", code="DRV-103")
        plain = msgspec.json.encode(msgspec.structs.replace(envelope, data=msgspec.Raw(full)))
        aad = {
            "window": self._place,
            "epoch": envelope.epoch,
            "seq": envelope.seq,
            "topic": self._topics.sealed(suffix),
            "type": envelope.type,
            "exp": rfc3339(time_ns + self._kept.by_class[envelope.class_] * 1_000_000),
        }
        return sealer.seal(plain, msgspec.json.encode(aad))


def _checked(payload: Payload) -> bytes:
    """Return *payload* as JSON if it is what its type says (a struct's constructor checks nothing)."""
    try:
        data = msgspec.json.encode(payload, enc_hook=reveal)
        json_decoder(type(payload)).decode(data)
    except (msgspec.ValidationError, TypeError, ValueError, OverflowError) as error:
        where = str(error).rpartition("`")[0].rpartition("`")[2] or "?"
        raise BadPayload(f"{payload!r} does not fit the vocabulary at {where}") from None
    return data


def uuid7(time_ns: int) -> str:
    """Return a UUIDv7 (RFC 9562) of *time_ns*: 48 bits of milliseconds, then 74 random bits."""
    value = (time_ns // 1_000_000 & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def rfc3339(time_ns: int) -> str:
    """Return *time_ns* as UTC with microseconds, ``2026-11-22T08:41:00.000000+00:00``."""
    return (_EPOCH + timedelta(microseconds=time_ns // 1000)).isoformat(timespec="microseconds")


class _Timex(ctypes.Structure):
    """The head of ``struct timex`` (adjtimex(2)); ``modes`` = 0 only reads."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        *((name, ctypes.c_long) for name in ("offset", "freq", "maxerror", "esterror")),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


class ClockWatch:
    """Knows whether a time service keeps the wall clock; looks at most every 30 s."""

    def __init__(self) -> None:
        self._asked = float("-inf")
        self._synced = False

    def synced(self) -> bool:
        """Return whether the kernel's clock is under the control of a time service.

        The kernel says so (``adjtimex``). In a unit with ``ProtectClock=`` it refuses: then timesyncd's word counts.
        """
        now = time.monotonic()
        if now - self._asked > _CLOCK_CHECK_S:
            self._asked = now
            timex = _Timex()
            answered = ctypes.CDLL(None).adjtimex(ctypes.byref(timex)) >= 0
            self._synced = not timex.status & _STA_UNSYNC if answered else _set_lately()
        return self._synced


def _set_lately() -> bool:
    """Return whether systemd-timesyncd has set the clock so lately that the kernel would still trust it."""
    try:
        age_s = time.time() - TIMESYNCD.stat().st_mtime
    except OSError:  # it has not yet, or another service is used
        return False
    return -_MINUTE_S < age_s < _TRUSTED_S

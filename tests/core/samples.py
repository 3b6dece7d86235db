"""One good event of every type of the vocabulary, with a canary wherever a person could stand."""

from __future__ import annotations

from edge.events import (
    EVENTS,
    CardHolder,
    Coded,
    Declined,
    Interrupted,
    Payload,
    Presented,
    Quarantined,
    Rated,
    Read,
    Reason,
    Rejected,
    Removed,
    Scanned,
    StandsFor,
    TimedOut,
    Tombstone,
)

CANARY = "张三三CANARY"
SESSION = "0193f0a0-0000-7000-8000-000000000000"
PERSON = CardHolder(
    name=CANARY,
    sex=Coded("1", "男"),
    nation=Coded("01", "汉"),
    birth_date="1990-01-01",
    address=f"{CANARY} road",
    number="11010519491231002X",
    photo_wlt=b"\x01\x02",
    long_term=True,
)
SAMPLES: tuple[Payload, ...] = (
    Presented(),
    Read(mode="full", document="prc-resident", holder="0" * 32, purpose="test", person=PERSON),
    Read(mode="verify", document="hmt-residence", holder="f" * 32, verified=True, warnings=("expired",)),
    Removed(),
    Rejected(reason="read-failed", advice="lay-card-again", status="41"),
    Rated(session=SESSION, level=2, reasons=(Reason("1", "too slow"),), dwell_ms=1200, flags=("burst",)),
    Declined(session=SESSION, dwell_ms=10),
    TimedOut(session=SESSION, waited_ms=30_000),
    Interrupted(session=SESSION, reason="cancelled", waited_ms=0),
    Scanned(content="public", length_bytes=4, text="A017", symbology="qr", aim="]Q1"),
    Scanned(content="personal", length_bytes=9, text=CANARY, raw=b"\xd5\xc5"),
    Tombstone(event=StandsFor("quarantined", "id", "hall.id-card.read.v1")),
    Quarantined(refused_seq="12", refused_id=SESSION, puback=0x87),
)
assert {type(sample) for sample in SAMPLES} == set(EVENTS)

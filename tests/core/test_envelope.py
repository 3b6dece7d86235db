"""From a driver's payload to both views of an event: valid, bound together, and never telling what it must not."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.envelope import MAX_EVENT_BYTES, BadPayload, Draft, EnvelopeRenderer, rfc3339, uuid7
from edge.events import CardHolder, Coded, Payload, Rated, Read, Scanned
from edge.sealing.jwe import JweSealer, new_key, opened
from edge.store.outbox import Row
from edge.store.retention import Kept
from tests.core.samples import CANARY, PERSON, SAMPLES, SESSION
from tests.support.contract import faults

KEY = new_key()
HALL, WINDOW = "test-hall", "w01"
MOMENT = 1_800_000_000_000_000_000
MOMENT_NS = st.integers(0, 4_102_444_800_000_000_000)  # until 2100


def rendered(payload: Payload, *, seq: int = 7, epoch: int = 3, **more: Any) -> Row:
    renderer = EnvelopeRenderer(HALL, WINDOW, sealer=JweSealer([KEY]))
    return renderer.render(Draft("dev-1", payload, **more), seq, epoch)


def unsealed(row: Row) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the sealed view's event and its ``aad``."""
    assert row.sealed is not None
    plain, aad = opened(row.sealed, [KEY])
    return json.loads(plain), json.loads(aad)


@pytest.mark.parametrize("sample", SAMPLES, ids=repr)
def test_every_event_is_as_the_contract_says(sample: Payload) -> None:
    row = rendered(sample, mode="simulated", case="case-1")
    public = json.loads(row.public)
    file = f"{sample.kind}.{sample.type}.json"
    assert not faults(file, public)
    assert (row.sealed is not None) == bool(sample.hidden())
    if row.sealed is not None:
        assert not faults(file, unsealed(row)[0])
    assert row.topic == f"{sample.kind}/dev-1/{sample.type}"
    assert row.type == public["type"] == f"hall.{sample.kind}.{sample.type}.v1"
    assert (public["seq"], public["epoch"], public["subject"], public["mode"]) == ("7", 3, "case/case-1", "simulated")
    assert public["source"] == f"urn:hall:{HALL}:{WINDOW}:dev-1"
    assert public["class"] == row.class_ == sample.sensitivity()
    assert public.get("sealed", False) == (row.sealed is not None)


@pytest.mark.parametrize("sample", [sample for sample in SAMPLES if sample.hidden()], ids=repr)
def test_both_views_are_one_event_and_only_the_sealed_one_says_who(sample: Payload) -> None:
    row = rendered(sample, time_ns=MOMENT)
    full, aad = unsealed(row)
    public = json.loads(row.public)
    hidden = {name: full["data"].pop(name) for name in sample.hidden()}
    assert full == public
    told = json.dumps(hidden, ensure_ascii=False)
    assert CANARY in told or CANARY.encode().hex() in told
    for view in (row.public, row.sealed or b""):
        assert CANARY.encode() not in view
    assert aad == {
        "window": f"{HALL}/{WINDOW}",
        "epoch": 3,
        "seq": "7",
        "topic": f"hall/v1/{HALL}/{WINDOW}/sealed/{row.topic}",
        "type": public["type"],
        "exp": rfc3339(MOMENT + Kept().by_class[sample.sensitivity()] * 10**6),
    }


@pytest.mark.parametrize(
    ("payload", "place"),
    [
        (Rated(session=SESSION, level=9, dwell_ms=1), "$.level"),
        (Rated(session=CANARY, level=5, dwell_ms=1), "$.session"),
        (Rated(session=SESSION, level=5, dwell_ms=-1), "$.dwell_ms"),
        (Rated(session=SESSION, level=5, dwell_ms=1, flags=(CANARY,)), "$.flags[0]"),  # type: ignore[arg-type]
        (Scanned(content="personal", length_bytes=1, text=[CANARY]), "$.text"),  # type: ignore[arg-type]
        (Scanned(content="personal", length_bytes=1, text=CANARY + "\ud800"), "?"),
        (Scanned(content="personal", length_bytes=1, text=object()), "?"),  # type: ignore[arg-type]
        (
            Read(mode="full", document="prc-resident", holder="0" * 32, person=CardHolder(sex=Coded(CANARY, 5))),  # type: ignore[arg-type]
            "$.person.sex.name",
        ),
        (Read(mode="full", document=CANARY, holder="0" * 32, person=PERSON), "$.document"),  # type: ignore[arg-type]
    ],
)
def test_a_bad_payload_is_refused_by_its_place_and_not_its_value(payload: Payload, place: str) -> None:
    with pytest.raises(BadPayload) as refused:
        rendered(payload)
    text = f"{refused.value} {refused.value!r} {refused.value.__cause__}"
    assert place in text
    assert CANARY not in text
    assert refused.value.__suppress_context__


def test_what_is_too_large_is_refused() -> None:
    with pytest.raises(BadPayload, match="DRV-102"):
        rendered(Scanned(content="public", length_bytes=1, text="x" * MAX_EVENT_BYTES))
    with pytest.raises(BadPayload, match="DRV-102"):
        rendered(Scanned(content="personal", length_bytes=1, text="x" * (MAX_EVENT_BYTES * 3 // 4)))


def test_a_personal_event_needs_somebody_to_be_sealed_to() -> None:
    with pytest.raises(BadPayload, match="DRV-103"):
        EnvelopeRenderer(HALL, WINDOW).render(Draft("dev-1", SAMPLES[1]), 1, 1)


def test_times_are_those_of_the_report() -> None:
    row = json.loads(rendered(SAMPLES[0], time_ns=1_800_000_000_123_456_789, mono_ns=42).public)
    assert row["time"] == "2027-01-15T08:00:00.123456+00:00"
    assert row["mono"] == "42"
    assert uuid.UUID(row["id"]).int >> 80 == 1_800_000_000_123
    assert row["clock"] in ("synced", "free")


@given(MOMENT_NS)
def test_uuid7_is_a_uuid_of_its_version_and_time(moment: int) -> None:
    first, second = uuid.UUID(uuid7(moment)), uuid.UUID(uuid7(moment))
    assert first != second
    assert (first.version, first.variant) == (7, uuid.RFC_4122)
    assert first.int >> 80 == moment // 1_000_000


@given(MOMENT_NS, st.integers(1_000_000, 10**15))
def test_uuid7_sorts_by_time(moment: int, later: int) -> None:
    assert uuid7(moment) < uuid7(moment + later)


@given(MOMENT_NS)
def test_rfc3339_is_exact_to_the_microsecond(moment: int) -> None:
    read = datetime.fromisoformat(rfc3339(moment))
    assert read.utcoffset() == timedelta(0)
    assert (read - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1) == moment // 1000

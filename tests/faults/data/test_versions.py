"""P6: events and requests of the first release stay readable, and what is new in them harms nobody.

``golden/v1.jsonl`` holds one event of every type as it was first published. It is only ever added to:
``python -m tests.faults.data.test_versions`` writes those types that are not in it yet.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.envelope import Draft, EnvelopeRenderer
from edge.events import BY_TYPE, Envelope, Payload, revealed
from edge.sealing.jwe import JweSealer, new_key, opened
from tests.core.samples import SAMPLES
from tests.support.contract import faults

GOLDEN = Path(__file__).parent / "golden" / "v1.jsonl"
MOMENT_NS = 1_795_420_800_000_000_000


def rendered(event: Payload) -> dict[str, Any]:
    """Return the whole event, personal fields in clear: they are a synthetic person's."""
    key = new_key()
    row = EnvelopeRenderer("my-hall", "w01", sealer=JweSealer([key])).render(
        Draft("dev-1", event, time_ns=MOMENT_NS, mono_ns=1), 1, 3
    )
    found: dict[str, Any] = json.loads(opened(row.sealed, [key])[0] if row.sealed else row.public)
    return found


def golden() -> list[dict[str, Any]]:
    return [json.loads(line) for line in GOLDEN.read_text(encoding="utf-8").splitlines()] if GOLDEN.exists() else []


def plain(payload: Payload) -> Any:
    return json.loads(json.dumps(revealed(payload)))


def lost(old: Any, new: Any, where: str = "") -> list[str]:
    """Return what of *old* is not in *new*, or is another value there."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [place for key in old for place in lost(old[key], new.get(key), f"{where}.{key}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [place for at, pair in enumerate(zip(old, new, strict=True)) for place in lost(*pair, f"{where}[{at}]")]
    return [] if old == new else [where]


@pytest.mark.parametrize("event", golden(), ids=lambda event: f"{event['type']}{'' if event['class'] < 2 else '+'}")
def test_an_event_of_the_first_release_is_still_read_whole(event: dict[str, Any]) -> None:
    envelope = msgspec.convert(event, Envelope)
    payload = msgspec.convert(event["data"], BY_TYPE[envelope.type])
    assert not lost(event["data"], plain(payload)), "a field has gone, or means something else"
    assert not faults(f"{payload.kind}.{payload.type}.json", event), "today's schema refuses it"


@pytest.mark.parametrize("event", golden(), ids=lambda event: str(event["type"]))
def test_a_reader_of_the_first_release_can_read_tomorrows(event: dict[str, Any]) -> None:
    tomorrow = {**event, "newattribute": {"x": [1]}, "data": {**event["data"], "new_field": "x"}}
    msgspec.convert(tomorrow, Envelope)
    payload = msgspec.convert(tomorrow["data"], BY_TYPE[event["type"]])
    assert not lost(event["data"], plain(payload))


def test_every_type_has_its_golden_event() -> None:
    assert {event["type"] for event in golden()} == set(BY_TYPE)


def test_a_field_that_went_or_changed_is_noticed() -> None:
    old = {"a": 1, "b": [{"c": "x"}]}
    assert lost(old, {"a": 1, "b": [{"c": "x", "new": 1}], "new": 2}) == []
    assert lost(old, {"b": [{"c": "y"}]}) == [".a", ".b[0].c"]


def write() -> None:
    """Add the types that have no golden event yet."""
    there = {event["type"] for event in golden()}
    new = [event for sample in SAMPLES if (event := rendered(sample))["type"] not in there]
    GOLDEN.parent.mkdir(exist_ok=True)
    with GOLDEN.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(event | {"boot": "0" * 8}, ensure_ascii=False) + "\n" for event in new)


if __name__ == "__main__":
    write()

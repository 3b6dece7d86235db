"""Holds what crosses a broker against the committed contract in ``docs/contract``."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from edge.probes import PROBE
from tests.support.project import ROOT

FOLDER = ROOT / "docs" / "contract"
MOST_PER_CHANNEL = 100  # a flood repeats itself


@cache
def validator(file: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((FOLDER / file).read_text(encoding="utf-8")))


@cache
def channels() -> tuple[tuple[re.Pattern[str], str, bool, int | None], ...]:
    """Return ``(topic pattern, schema file, sealed, most bytes)`` of what the daemon sends on every channel."""
    document = json.loads((FOLDER / "asyncapi.json").read_text(encoding="utf-8"))
    rows = []
    for channel in document["channels"].values():
        message = next(iter(channel["messages"].values()))  # only those of the back office have several
        reference = message.get("x-plaintext", message["payload"]).get("$ref", "")
        pattern = re.sub(r"\\{[a-z_]+\\}", "[^/]+", re.escape(channel["address"]))
        longest = message["payload"].get("maxLength")
        rows.append((re.compile(pattern + r"\Z"), reference.removeprefix("./"), "x-plaintext" in message, longest))
    return tuple(rows)


def breaks(messages: Iterable[tuple[str, bytes, bool]]) -> list[str]:
    """Return what in *messages* (topic, payload, retained) is not as the contract says; never the values."""
    seen: Counter[str] = Counter()
    found = []
    for topic, payload, retained in messages:
        if payload == PROBE and not retained:
            continue  # of a self-test: on every branch, and known by its content type
        row = next((row for row in channels() if row[0].match(topic)), None)
        if row is None:
            found.append(f"no channel for the topic {topic}")
            continue
        _, file, sealed, longest = row
        if longest and (retained or not 0 < len(payload) <= longest):
            found.append(f"{topic}: {len(payload)} bytes, retained: {retained}")
        seen[file] += 1
        if not payload or not file or seen[file] > MOST_PER_CHANNEL:
            continue
        if sealed:
            found += [] if {"protected", "recipients", "aad"} <= set(json.loads(payload)) else [f"{topic}: no JWE"]
        else:
            found += [f"{topic}: {fault}" for fault in faults(file, json.loads(payload))]
    return found


def faults(file: str, body: Any) -> list[str]:
    """Return the places of *body* that the schema in *file* does not allow, and its topics' size."""
    return [f"{error.json_path} breaks {error.validator}" for error in validator(file).iter_errors(body)]

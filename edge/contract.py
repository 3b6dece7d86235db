"""Writes the contract: JSON Schemas and the AsyncAPI 3 document, generated from ``edge.events`` and ``edge.wire``.

``python -m edge.contract DIR`` writes them; a test holds what is committed against what is generated, and
against what crosses a broker.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from edge import wire
from edge.blobs.parts import PART_BYTES, TAG_BYTES
from edge.events import COMMANDS, EVENTS, WINDOW_COMMANDS, Envelope, Params, Payload
from edge.probes import PROBE_TYPE, Probe
from edge.selftest.model import SCHEMA, Report

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_BASE = "hall/v1/{hall}/{window}"
_WIRE: dict[str, tuple[str, str, Any, str]] = {
    # name: (topic below the window's branch, who sends, type, what for); those of one topic make one channel
    "window-status": ("status", "daemon", wire.WindowStatus, "retained; also the last will"),
    "health": ("health", "daemon", wire.Health, "retained"),
    "device-status": ("device/{device}/status", "daemon", wire.DeviceStatus, "retained; empty when removed"),
    "device-about": ("device/{device}/about", "daemon", wire.DeviceAbout, "retained; empty when removed"),
    "request": ("request/{device}/{command}", "back office", wire.Request, "never retained"),
    "signed-request": ("request/{device}/{command}", "back office", wire.SignedRequest, "as the payload of a JWS"),
    "reply": ("reply/{client}/{request_id}", "daemon", wire.Reply, "to the request's Response Topic"),
    "ack": ("ack/{subscriber}", "back office", wire.Ack, "at most every second or every 100 events"),
    "replay": ("replay/{subscriber}", "back office", wire.ReplayRequest, "answered on replayed/{subscriber}"),
    "replay-blob": ("replay/{subscriber}", "back office", wire.BlobReplayRequest, "answered on replayed/{subscriber}"),
    "blob-manifest": ("blob/{blob}/manifest", "daemon", wire.Manifest, "bulk connection; never retained"),
    "blob-gone": ("blob/{blob}/gone", "daemon", wire.BlobGone, "only as an answer on replayed/{subscriber}"),
}


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield ``(file name, document)`` of the whole contract."""
    for event in EVENTS:
        yield f"{event.kind}.{event.type}.json", event_schema(event)
    for command in (*COMMANDS, *WINDOW_COMMANDS):
        yield f"request.{command.kind}.{command.command}.json", _params_schema(command)
    for name, (_, _, type_, _) in _WIRE.items():
        yield f"{name}.json", _schema(type_, f"urn:hall-edge:v1:{name}")
    yield "probe.json", _schema(Probe, "urn:hall-edge:v1:probe")
    yield "selftest-report.json", _report_schema()
    yield "asyncapi.json", _asyncapi()


def event_schema(event: type[Payload]) -> dict[str, Any]:
    """Return the schema of one event: the envelope, with ``data`` as the vocabulary says.

    One schema serves both views: the fields marked ``x-sealed`` are absent from the public one.
    """
    schema = _schema(Envelope, f"urn:hall-edge:v1:{event.kind}.{event.type}")
    (reference,), definitions = msgspec.json.schema_components([event], ref_template="#/$defs/{name}")
    for name in event.sealed_fields:
        definitions[event.__name__]["properties"][name]["x-sealed"] = True
    schema["$defs"] |= definitions
    envelope = schema["$defs"]["Envelope"]
    envelope["title"] = f"{event.kind} {event.type}"
    envelope["description"] = event.__doc__
    envelope["properties"]["type"] = {"const": f"hall.{event.kind}.{event.type}.v1"}
    envelope["properties"]["data"] = reference
    return schema


def _params_schema(command: type[Params]) -> dict[str, Any]:
    schema = _schema(command, f"urn:hall-edge:v1:request.{command.kind}.{command.command}")
    schema["$defs"][command.__name__]["x-tier"] = command.tier
    for name in command.sealed_params:
        schema["$defs"][command.__name__]["properties"][name]["x-sealed"] = True
    return schema


def _report_schema() -> dict[str, Any]:
    """Return the schema of what ``hall-edge selftest --json`` prints."""
    schema = _schema(Report, SCHEMA)
    report = schema["$defs"]["Report"]
    report["properties"]["schema"] = {"const": SCHEMA}
    report["properties"]["check_value"] = {
        "type": "string",
        "pattern": "^[0-9a-f]{64}$(?!\\n)",
        "description": "SHA-256 of this object without this member, as JSON with sorted keys and no blanks",
    }
    return schema


def _schema(type_: Any, identity: str) -> dict[str, Any]:
    (reference,), definitions = msgspec.json.schema_components([type_], ref_template="#/$defs/{name}")
    return {"$schema": _DIALECT, "$id": identity, **reference, "$defs": definitions}


class _Channels:
    """The topics of the AsyncAPI document, and who sends on each."""

    def __init__(self) -> None:
        self.channels: dict[str, Any] = {}
        self.operations: dict[str, Any] = {}

    def add(self, name: str, address: str, sender: str, about: str, content_type: str, payload: dict[str, Any]) -> None:
        """Add a message; those of one topic make one channel."""
        message = {"contentType": content_type, "payload": payload}
        if content_type == "application/jose+json":
            message["payload"] = {"type": "object", "description": "JWE, general JSON serialization (RFC 7516)"}
            message["x-plaintext"] = payload
        topic = f"{_BASE}/{address}"
        for channel in self.channels.values():
            if channel["address"] == topic:
                channel["messages"][name] = message
                return
        self.channels[name] = {
            "address": topic,
            "description": about,
            "parameters": {part: {} for part in _placeholders(topic)},
            "messages": {name: message},
        }
        action = "send" if sender == "daemon" else "receive"
        self.operations[f"{action}-{name}"] = {"action": action, "channel": {"$ref": f"#/channels/{name}"}}


def _asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3 document: every topic, who sends on it, and the schema file of its messages."""
    found = _Channels()
    for event in EVENTS:
        name, topic = f"{event.kind}.{event.type}", f"{event.kind}/{{device}}/{event.type}"
        about, schema = (event.__doc__ or "").splitlines()[0], {"$ref": f"./{name}.json"}
        found.add(name, f"event/{topic}", "daemon", about, "application/cloudevents+json", schema)
        if event.sealed_fields:
            found.add(f"{name}.sealed", f"sealed/{topic}", "daemon", about, "application/jose+json", schema)
    for name, (topic, sender, _, about) in _WIRE.items():
        found.add(name, topic, sender, about, "application/json", {"$ref": f"./{name}.json"})
    about = "events again, as they were sent first; User Properties: replayed=true, topic"
    payload: dict[str, Any] = {
        "description": "either view of any event; a blob's manifest, part, or the news that it is gone"
    }
    found.add("replayed", "replayed/{subscriber}", "daemon", about, "application/cloudevents+json", payload)
    about = "one part of a blob, sealed or plain as its manifest says"
    payload = {"type": "string", "format": "binary", "maxLength": PART_BYTES + TAG_BYTES}
    found.add("blob-part", "blob/{blob}/{part}", "daemon", about, "application/octet-stream", payload)
    about = "a self-test's, there and on every other branch: known by its content type, to be left alone"
    found.add("probe", "event/system/window/probe", "daemon", about, PROBE_TYPE, {"$ref": "./probe.json"})
    info = {"title": "hall-edge", "version": "1.0.0", "description": "The hardware of a service-hall window."}
    return {
        "asyncapi": "3.0.0",
        "info": info,
        "defaultContentType": "application/json",
        "servers": {"hall": {"host": "broker.hall.example:8883", "protocol": "mqtts", "protocolVersion": "5"}},
        "channels": found.channels,
        "operations": found.operations,
    }


def _placeholders(address: str) -> list[str]:
    return [part[1:-1] for part in address.split("/") if part.startswith("{")]


def main(folder: Path) -> None:
    """Write the contract into *folder* and remove what no longer belongs to it."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    for name, document in documents():
        (folder / name).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

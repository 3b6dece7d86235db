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
from edge.events import COMMANDS, EVENTS, Envelope, Params, Payload

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_BASE = "hall/v1/{hall}/{window}"
_WIRE: dict[str, tuple[str, str, Any, str]] = {
    # name: (topic below the window's branch, who sends, type, what for); those of one topic make one channel
    "window-status": ("status", "daemon", wire.WindowStatus, "retained; also the last will"),
    "health": ("health", "daemon", wire.Health, "retained"),
    "device-status": ("device/{device}/status", "daemon", wire.DeviceStatus, "retained; empty when removed"),
    "device-about": ("device/{device}/about", "daemon", wire.DeviceAbout, "retained; empty when removed"),
    "request": ("request/{device}/{command}", "back office", wire.Request, "never retained"),
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
    for command in COMMANDS:
        yield f"request.{command.kind}.{command.command}.json", _params_schema(command)
    for name, (_, _, type_, _) in _WIRE.items():
        yield f"{name}.json", _schema(type_, f"urn:hall-edge:v1:{name}")
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
    for name in command.sealed_params:
        schema["$defs"][command.__name__]["properties"][name]["x-sealed"] = True
    return schema


def _schema(type_: Any, identity: str) -> dict[str, Any]:
    (reference,), definitions = msgspec.json.schema_components([type_], ref_template="#/$defs/{name}")
    return {"$schema": _DIALECT, "$id": identity, **reference, "$defs": definitions}


def _asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3 document: every topic, who sends on it, and the schema file of its messages."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}

    def add(name: str, address: str, sender: str, file: str, about: str, content_type: str) -> None:
        message = {"contentType": content_type, "payload": {"$ref": f"./{file}"}}
        if content_type == "application/jose+json":
            message["payload"] = {"type": "object", "description": "JWE, general JSON serialization (RFC 7516)"}
            message["x-plaintext"] = {"$ref": f"./{file}"}
        for channel in channels.values():
            if channel["address"] == f"{_BASE}/{address}":
                channel["messages"][name] = message
                return
        channels[name] = {
            "address": f"{_BASE}/{address}",
            "description": about,
            "parameters": {part: {} for part in _placeholders(f"{_BASE}/{address}")},
            "messages": {name: message},
        }
        action = "send" if sender == "daemon" else "receive"
        operations[f"{action}-{name}"] = {"action": action, "channel": {"$ref": f"#/channels/{name}"}}

    for event in EVENTS:
        name, topic = f"{event.kind}.{event.type}", f"{event.kind}/{{device}}/{event.type}"
        about, file = (event.__doc__ or "").splitlines()[0], f"{name}.json"
        add(name, f"event/{topic}", "daemon", file, about, "application/cloudevents+json")
        if event.sealed_fields:
            add(f"{name}.sealed", f"sealed/{topic}", "daemon", file, about, "application/jose+json")
    for name, (topic, sender, _, about) in _WIRE.items():
        add(name, topic, sender, f"{name}.json", about, "application/json")
    add("replayed", "replayed/{subscriber}", "daemon", "id-card.read.json", "events again, as they were sent first;"
        " User Properties: replayed=true, topic", "application/cloudevents+json")  # fmt: skip
    payload = {"description": "either view of any event; a blob's manifest, part, or the news that it is gone"}
    channels["replayed"]["messages"]["replayed"]["payload"] = payload
    add("blob-part", "blob/{blob}/{part}", "daemon", "", "one part of a blob, sealed or plain as its manifest says",
        "application/octet-stream")  # fmt: skip
    channels["blob-part"]["messages"]["blob-part"]["payload"] = {
        "type": "string", "format": "binary", "maxLength": PART_BYTES + TAG_BYTES,
    }  # fmt: skip
    info = {"title": "hall-edge", "version": "1.0.0", "description": "The hardware of a service-hall window."}
    return {
        "asyncapi": "3.0.0",
        "info": info,
        "defaultContentType": "application/json",
        "servers": {"hall": {"host": "broker.hall.example:8883", "protocol": "mqtts", "protocolVersion": "5"}},
        "channels": channels,
        "operations": operations,
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

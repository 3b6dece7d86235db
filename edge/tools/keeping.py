"""``hall-edge listen --save DIR``: every event as a line of a file, once, over kills; pictures beside it."""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
from pathlib import Path
from typing import Any

import msgspec

from edge.subscriber import Event, Notice, SubscriberError
from edge.subscriber.position import sync_folder

EVENTS, POSITION = "events.jsonl", "position.json"
_TAIL_BYTES = 4 * 1024 * 1024
"""So much of the file's end is read at the start: more than can have been written since the last position."""


class NotKept(SubscriberError):
    """An event cannot be written; it is not counted as processed, so it comes again."""

    default_code = "SUB-117"
    default_action = "check the folder, its rights and the space on its disk; then start it again"


class Keeper:
    """Appends events to ``events.jsonl`` (mode 0600), durably. What is there already is not written again."""

    def __init__(self, folder: Path) -> None:
        """Raises :class:`NotKept`."""
        self.folder, self.position = folder, folder / POSITION
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / EVENTS
            self._handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o600)
            sync_folder(folder)
            self._written = self._read_tail()
        except OSError as error:
            raise NotKept(f"{folder}: {error.strerror}") from error

    def name(self, chosen: str | None) -> str:
        """Return the name to subscribe with: the *chosen* one, else that of the last time, else a new one."""
        if chosen or not self.position.exists():
            return chosen or f"listen-{secrets.token_hex(6)}"
        try:
            found: dict[str, Any] = json.loads(self.position.read_bytes())
            return str(found["subscriber"])
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise NotKept(f"{self.position} is no position file", action="move it away, or give --name") from error

    def keep(self, event: Event) -> None:
        """Write *event*; raises :class:`NotKept`. What was opened stands there in clear."""
        known = f"{event.id} {event.seq}"
        if known in self._written:
            return
        envelope = msgspec.structs.replace(event.envelope, data=dict(event.data))
        self._write(
            {
                "window": f"{event.hall}/{event.window}",
                "opened": event.opened,
                "unreadable": event.unreadable,
                "late": event.late,
                "blob_file": event.blob.path.name if event.blob else None,
                "blob_gone": event.blob_gone,
                "event": msgspec.to_builtins(envelope),
            }
        )
        self._written.add(known)

    def note(self, notice: Notice) -> None:
        """Write down a gap, a new store, or one that went back."""
        self._write({"notice": type(notice).__name__.lower(), **dataclasses.asdict(notice)})

    def close(self) -> None:
        os.close(self._handle)

    def _write(self, body: dict[str, Any]) -> None:
        line = json.dumps(body, ensure_ascii=False).encode() + b"\n"
        try:
            if os.write(self._handle, line) < len(line):
                raise OSError(0, "only a part of a line was written")
            os.fsync(self._handle)
        except OSError as error:
            raise NotKept(f"{self.folder / EVENTS}: {error.strerror}") from error

    def _read_tail(self) -> set[str]:
        """Cut off a line that a kill left half written; return what the last ones hold."""
        size = os.fstat(self._handle).st_size
        begin = max(0, size - _TAIL_BYTES)
        tail = os.pread(self._handle, size - begin, begin)
        whole = tail.rfind(b"\n") + 1
        if whole < len(tail):
            os.ftruncate(self._handle, begin + whole)
        lines = tail[:whole].splitlines()[1 if begin else 0 :]
        events = [found["event"] for found in map(json.loads, lines) if "event" in found]
        return {f"{event['id']} {event['seq']}" for event in events}

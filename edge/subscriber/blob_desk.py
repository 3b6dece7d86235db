"""Puts blobs together: takes manifests and parts in any order, asks for what is missing, tells what became of each.

Parts may come before their event. They are kept, within limits, until it is clear that nobody wants them. What an
event says about its blob is what counts; a manifest only says how it was cut. No clock, no connection, no thread of
its own; the disk is :class:`~edge.subscriber.blob_files.BlobFolder`.
"""

from __future__ import annotations

import functools
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from edge.blobs.parts import MAX_PARTS, PART_BYTES, TAG_BYTES
from edge.subscriber.blob_files import Blob, BlobFolder, Conflict, DamagedParts, Key
from edge.subscriber.blob_wire import Manifest, Wanted, read_manifest
from edge.subscriber.errors import WireError
from edge.subscriber.model import Limits
from edge.subscriber.ranges import Pair, Ranges

log = logging.getLogger(__name__)

_MEGABYTE = 1_000_000
_TRIES = 3
_REMEMBERED = 10_000
_ASKED_AT_ONCE = 20
_RANGES = 1000

Outcome = Blob | str
"""A whole blob, or why there is none."""


@dataclass(slots=True)
class _Unfinished:
    """What is here of one blob. ``event``: epoch and seq of the event that wants it."""

    manifest: Manifest | None = None
    wanted: Wanted | None = None
    event: tuple[int, int] = (0, 0)
    here: Ranges = field(default_factory=Ranges)
    bytes: int = 0
    moved_at: float = 0.0
    ask_at: float = 0.0
    asks: int = 0
    wrong: int = 0

    def whole(self) -> bool:
        return self.manifest is not None and list(self.here) == [(0, self.manifest.parts - 1)]


@dataclass(frozen=True, slots=True)
class Told:
    """What became of the blob of an event."""

    window: str
    epoch: int
    seq: int
    outcome: Outcome


class BlobDesk:
    """All unfinished blobs of one subscriber."""

    def __init__(self, folder: BlobFolder, limits: Limits) -> None:
        self.refused = 0
        """Parts and manifests that did not fit."""
        self._folder, self._limits = folder, limits
        self._unfinished: dict[Key, _Unfinished] = {}
        self._finished: OrderedDict[Key, None] = OrderedDict()
        self._ready: dict[Key, None] = {}
        self._told: deque[Told] = deque()
        self._bytes = 0

    def begin(self, now: float) -> None:
        """Go on with what an earlier life left unfinished; raises :class:`BlobFolderError`."""
        for key, sizes in self._folder.begin(self._limits.keep_partial_s):
            found = self._unfinished[key] = _Unfinished(moved_at=now)
            for name, size in sizes.items():
                if name.isdigit() and int(name) < MAX_PARTS:
                    self._add(found, int(name), size)
            try:
                found.manifest = read_manifest(self._folder.manifest(key), key[1])
            except (OSError, WireError):
                found.manifest = None

    # -- what comes ---------------------------------------------------------------------------------

    def want(self, window: str, event: tuple[int, int], wanted: Wanted, now: float) -> None:
        """Learn that an event waits for its blob."""
        key = (window, wanted.ref.id)
        self._finished.pop(key, None)
        found = self._unfinished.setdefault(key, _Unfinished(moved_at=now))
        if found.wanted is not None:
            return
        found.wanted, found.event = wanted, event
        found.moved_at, found.ask_at = now, now + self._limits.blob_ask_after_s
        if wanted.ref.size > min(self._limits.max_blob_mb, self._limits.max_partial_mb / 2) * _MEGABYTE:
            self.gone(key, "too-large")
        elif self._folder.whole(wanted).exists():
            self._ready[key] = None
        else:
            self._check_manifest(key, found)
            self._look(key, found)

    def manifest(self, key: Key, payload: bytes, now: float) -> Manifest | None:
        """Take a manifest, and return it when it is news; raises :class:`WireError` or ``OSError``."""
        if key in self._finished:
            return None
        manifest = read_manifest(payload, key[1])
        found = self._unfinished.setdefault(key, _Unfinished(moved_at=now))
        if found.manifest is None:
            found.manifest = manifest
            self._check_manifest(key, found)
            if found.manifest is None:
                raise WireError("a manifest does not belong to its event")
            self._folder.put(key, "manifest", payload)
            self._look(key, found)
        return manifest

    def part(self, key: Key, number: int, data: bytes, now: float) -> bool:
        """Take a part; return whether it is news; raises :class:`WireError` or ``OSError``."""
        found = self._unfinished.get(key) or _Unfinished()
        if key in self._finished or number in found.here:
            return False
        expected = found.manifest.part_bytes(number) if found.manifest else len(data)
        if not 0 < len(data) <= PART_BYTES + TAG_BYTES or number >= MAX_PARTS or len(data) != expected:
            self.refused += 1
            raise WireError("a part of a blob has another size than it should")
        if not self._make_room(key, len(data)):
            self.refused += 1
            return False
        self._folder.put(key, str(number), data)
        self._unfinished[key] = found
        self._add(found, number, len(data))
        found.moved_at, found.ask_at, found.asks = now, now + self._limits.blob_ask_after_s, 0
        self._look(key, found)
        return True

    def gone(self, key: Key, reason: str) -> None:
        """Learn that a blob will not come."""
        found = self._unfinished.get(key)
        if found is not None and found.wanted is not None:
            self._tell(key, found, reason)

    def forget(self, key: Key) -> None:
        """Remove what is here of a blob that nobody wants."""
        found = self._unfinished.pop(key, None)
        if found is not None:
            self._bytes -= found.bytes
            self._folder.drop(key)

    # -- what goes out ------------------------------------------------------------------------------

    def ready(self) -> tuple[Key, Callable[[], Outcome]] | None:
        """Return a blob whose parts are all here, with what puts it together; that blocks, and may raise."""
        while self._ready:
            key = next(iter(self._ready))
            del self._ready[key]
            found = self._unfinished.get(key)
            if found is not None and (wanted := found.wanted) is not None:
                return key, functools.partial(self._folder.assemble, key, wanted, found.manifest)
        return None

    def assembled(self, key: Key, work: Callable[[], Outcome], now: float) -> None:
        """Take the result of *work*, which may raise what :meth:`BlobFolder.assemble` does."""
        found = self._unfinished.get(key)
        if found is None:
            return
        try:
            self._tell(key, found, work())
        except Conflict:
            self._tell(key, found, "conflict")
        except DamagedParts as damaged:
            found.wrong += 1
            self.refused += len(damaged.parts)
            self._remove(found, damaged.parts)
            found.ask_at = now
            if found.wrong >= _TRIES:
                self._tell(key, found, "damaged")
        except OSError as error:
            log.error("SUB-114: a blob cannot be put together: %s", error.strerror)
            found.ask_at = now + self._limits.ask_pause_s

    def told(self) -> Iterator[Told]:
        """Yield what became of blobs since the last call."""
        while self._told:
            yield self._told.popleft()

    def tick(self, now: float) -> None:
        """Give up what does not come, where there is a limit; try again what could not be written."""
        limit_s = self._limits.blob_limit_s
        for key, found in list(self._unfinished.items()):
            if found.wanted is None:
                if now - found.moved_at > self._limits.keep_partial_s:
                    self.forget(key)
            elif limit_s is not None and now - found.moved_at > limit_s:
                self._tell(key, found, "not-received")

    def resume(self, now: float) -> None:
        """Count waiting times anew: nothing could arrive for a while."""
        for found in self._unfinished.values():
            found.moved_at, found.ask_at, found.asks = now, now + self._limits.blob_ask_after_s, 0

    def questions(self, now: float) -> list[tuple[str, bytes]]:
        """Return ``(window, request)`` of what to ask for now, the earliest events first; mostly nothing."""
        due = [
            (found.event, key, found)
            for key, found in self._unfinished.items()
            if found.wanted is not None and found.ask_at <= now
        ]
        asked = []
        for _, key, found in sorted(due, key=lambda item: (item[0], item[1]))[:_ASKED_AT_ONCE]:
            if found.whole():
                self._ready[key] = None  # putting it together has failed
            else:
                body = {"blob": key[1], "parts": _missing(found)}
                asked.append((key[0], msgspec.json.encode(body)))
            pause_s = self._limits.blob_ask_after_s * 2 ** min(found.asks, 16)
            found.asks += 1
            found.ask_at = now + min(pause_s, self._limits.ask_pause_s)
        return asked

    # -- inside -------------------------------------------------------------------------------------

    def _add(self, found: _Unfinished, number: int, size: int) -> None:
        found.here.add(number, number)
        found.bytes += size
        self._bytes += size

    def _remove(self, found: _Unfinished, numbers: Iterable[int]) -> None:
        """Forget parts that were removed."""
        for number in numbers:
            found.here.remove(number)
        manifest = found.manifest
        left = sum(manifest.part_bytes(n) for low, high in found.here for n in range(low, high + 1)) if manifest else 0
        self._bytes += left - found.bytes
        found.bytes = left

    def _look(self, key: Key, found: _Unfinished) -> None:
        if found.wanted is not None and found.whole():
            self._ready[key] = None

    def _check_manifest(self, key: Key, found: _Unfinished) -> None:
        """Drop a manifest that says something else than the event."""
        if found.manifest is None or found.wanted is None:
            return
        ref, manifest = found.wanted.ref, found.manifest
        said = (manifest.size, manifest.sha256, manifest.sealed)
        if said != (ref.size, ref.sha256, found.wanted.key is not None):
            self.refused += 1
            found.manifest = None
            self._folder.drop(key, "manifest")

    def _make_room(self, key: Key, size: int) -> bool:
        """Keep unfinished blobs bounded: those nobody wants go first, then those of the latest events."""
        while self._bytes + size > self._limits.max_partial_mb * _MEGABYTE:
            filled = [other for other, found in self._unfinished.items() if found.bytes]
            victim = max(filled, key=self._rank, default=key)
            if victim == key or (key not in self._unfinished and self._unfinished[victim].wanted is not None):
                return False
            self._restart(victim)
        return True

    def _rank(self, key: Key) -> tuple[bool, tuple[int, int], float]:
        found = self._unfinished[key]
        return found.wanted is None, found.event, -found.moved_at

    def _restart(self, key: Key) -> None:
        """Remove the parts of a blob; if it is wanted they are asked for again, later."""
        found = self._unfinished[key]
        self.forget(key)
        if found.wanted is not None:
            again_at = found.moved_at + self._limits.ask_pause_s
            self._unfinished[key] = _Unfinished(
                wanted=found.wanted, event=found.event, moved_at=found.moved_at, ask_at=again_at
            )

    def _tell(self, key: Key, found: _Unfinished, outcome: Outcome) -> None:
        self._told.append(Told(key[0], *found.event, outcome))
        self.forget(key)
        self._finished[key] = None
        while len(self._finished) > _REMEMBERED:
            self._finished.popitem(last=False)


def _missing(found: _Unfinished) -> list[Pair]:
    """Return the parts to ask for; up to the last there can be when the manifest is not here."""
    last = found.manifest.parts - 1 if found.manifest else MAX_PARTS - 1
    missing = Ranges([(0, last)])
    for first, upto in found.here:
        missing.remove(first, upto)
    return list(missing)[:_RANGES]

"""Be pcscd: a service on a unix socket with a reader and cards, for the real libpcsclite of any version since 1.8.24.

Select it with ``PCSCLITE_CSOCK_NAME=DIR/NAME``, set before a program first uses PC/SC. It has to run in another
process than the one that uses it: pyscard keeps the interpreter's lock while it waits for the service.
"""

import json
import os
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from simulators.cards import CARD_HELP, make_card
from simulators.model import Binder, Deed, Output
from simulators.pcscd_client import Client, Guests
from simulators.pcscd_readers import OTHER, TORN, Reader, Readers
from simulators.served import Served
from simulators.words import ScenarioError, Words

READER = "hall-edge simulated CCID"
MOST_SLOTS = 4
_HOLDS = ("exclusive", "transaction")


class Pcscd(Served):
    """A PC/SC service with one reader, which may have several slots."""

    summary: ClassVar[str] = "smart-card reader behind a PC/SC service (pcscd's socket at DIR/NAME)"
    options: ClassVar[Mapping[str, str]] = {
        "slots": f"1 to {MOST_SLOTS} slots, each a reader of its own to PC/SC",
        "reader": f"the reader's name, _ for a space; default {READER}",
        "no-reader": "1: the reader is not plugged in yet",
    }

    def __init__(self, place: Path, words: Words, seed: int) -> None:
        super().__init__(place, words, seed)
        name = words.text("reader", READER).replace("_", " ")
        self._slots = [Reader(f"{name} 00 {slot:02X}") for slot in range(words.number("slots", 1, 1, MOST_SLOTS))]
        self._plugged_reader = not words.flag("no-reader")
        words.done()
        self._people = seed
        self._denied = False
        self._listener: socket.socket | None = None
        self._threads: list[threading.Thread] = []
        self._clients: list[Client] = []
        self._guests = self._new_guests()

    @property
    def address(self) -> str:
        """Give the address for a window's configuration."""
        return f"pcsc:?socket={quote(str(self.place), safe='/')}"

    def plug(self) -> None:
        """Start the service."""
        with self.lock:
            if self._listener is not None:
                return
            self._guests = self._new_guests()
            self.place.unlink(missing_ok=True)
            listener = socket.socket(socket.AF_UNIX)
            try:
                listener.bind(str(self.place))
            except OSError:
                listener.close()
                raise
            listener.listen(16)
            self._listener = listener
            self._thread(self._accept, listener)

    def unplug(self) -> None:
        """Stop the service; its socket goes."""
        self._stop(stale=False)

    def actions(self) -> Mapping[str, Binder]:
        """Name what a person, another program and bad luck can do."""
        return {
            "insert": self._bind_insert,
            "remove": self._bind_remove,
            "tear": self._bind_tear,
            "reader": self._bind_reader,
            "stop": self._bind_stop,
            "start": self._simple("start", "start the service", self.plug),
            "restart": self._simple("restart", "end the service; the next client starts it again", self._restart),
            "hold": self._bind_hold,
            "release": self._simple("release", "let the other program go", self._release),
            "deny": self._bind_deny,
            "allow": self._simple("allow", "let everybody in again", self._allow),
            "freeze": self._simple("freeze", "answer nothing, until ``thaw``", lambda: self._freeze(True)),
            "thaw": self._simple("thaw", "go on", lambda: self._freeze(False)),
            "counters": self._simple("counters", "write what was counted to DIR/NAME.json", self._write_counters),
        }

    # --- the service

    def _new_guests(self) -> Guests:
        """Begin with nobody connected; readers and cards are where they were."""
        for reader in self._slots:
            reader.sharing, reader.locked_by = 0, None
        readers = Readers(self.counters, list(self._slots) if self._plugged_reader else [])
        self.counters["handles_open"] = 0
        return Guests(readers)

    def _thread(self, work: Callable[[socket.socket], None], argument: socket.socket) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=work, args=(argument,), name="pcscd", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self.lock:
                if self._denied or listener is not self._listener:
                    connection.close()
                    continue
                client = Client(connection, self._guests)
                self._clients = [*self._clients[-64:], client]
                self._thread(lambda _, client=client: client.run(), connection)  # type: ignore[misc]
            self.count("clients")

    def _stop(self, *, stale: bool) -> None:
        with self.lock:
            listener, self._listener = self._listener, None
            if listener is not None:
                listener.shutdown(socket.SHUT_RDWR)
                listener.close()
            threads = self._cut()
            if not stale:
                self.place.unlink(missing_ok=True)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join()

    def _cut(self) -> list[threading.Thread]:
        """Break all connections; give the threads that end now."""
        with self._guests.lock:
            self._guests.closed = True
            self._guests.lock.notify_all()
            for client in self._clients:
                client.cut()
        self._clients = []
        return list(self._threads)

    def _restart(self) -> None:
        with self.lock:
            self._cut()
            self._guests = self._new_guests()

    # --- actions

    def _simple(self, action: str, text: str, work: Callable[[], None]) -> Binder:
        def bind(words: Words) -> Deed:
            words.done()

            def start(_: float) -> list[Output]:
                work()
                return []

            return Deed(start)

        bind.__doc__ = f"``{action}``: {text}."
        return bind

    def _slot(self, words: Words) -> Reader:
        return self._slots[words.number("slot", 0, 0, len(self._slots) - 1)]

    def _changing(self, work: Callable[[], None]) -> Deed:
        """Make a deed of something that clients are told about."""

        def start(_: float) -> list[Output]:
            guests = self._guests
            with guests.lock:
                work()
                guests.tell_all()
            return []

        return Deed(start)

    def _bind_insert(self, words: Words) -> Deed:
        """``insert CARD [slot=N] [key=value…]``: put a card in; see the list of cards below."""
        kind = words.required("CARD")
        reader = self._slot(words)
        self._people += 1
        card = make_card(kind, words, self._people)

        def work() -> None:
            if reader.card is not None:
                reader.remove()
            reader.insert(card)

        return self._changing(work)

    _bind_insert.__doc__ = f"{_bind_insert.__doc__} {CARD_HELP}"

    def _bind_remove(self, words: Words) -> Deed:
        """``remove [slot=N]``: take the card out."""
        reader = self._slot(words)
        words.done()
        return self._changing(reader.remove)

    def _bind_tear(self, words: Words) -> Deed:
        """``tear at=K [how=removed|failed|reset] [slot=N]``: at byte K between card and reader the card is torn out,
        at once or noticed a little later, or another program resets it."""
        reader = self._slot(words)
        at, how = words.number("at", 0, 0, 10**6), words.choice("how", tuple(TORN), "removed")
        words.done()

        def work() -> None:
            reader.tear_left, reader.tear_result = at, TORN[how]

        return self._changing(work)

    def _bind_reader(self, words: Words) -> Deed:
        """``reader plug|unplug``: the reader's cable; the service goes on."""
        what = words.required("plug or unplug")
        words.done()
        if what not in ("plug", "unplug"):
            raise ScenarioError(f"a reader can be plugged or unplugged, not {what!r}")

        def work() -> None:
            self._plugged_reader = what == "plug"
            for reader in self._slots:
                (self._guests.readers.plug if self._plugged_reader else self._guests.readers.unplug)(reader)

        return self._changing(work)

    def _bind_stop(self, words: Words) -> Deed:
        """``stop [stale=1]``: end the service; ``stale`` leaves its socket behind, as after a crash."""
        stale = words.flag("stale")
        words.done()

        def start(_: float) -> list[Output]:
            self._stop(stale=stale)
            return []

        return Deed(start)

    def _bind_hold(self, words: Words) -> Deed:
        """``hold [exclusive|transaction] [slot=N]``: another program has the card, until ``release``."""
        how = words.optional() or "exclusive"
        reader = self._slot(words)
        words.done()
        if how not in _HOLDS:
            raise ScenarioError(f"a card is held {' or '.join(_HOLDS)}, not {how!r}")

        def work() -> None:
            reader.sharing = -1 if how == "exclusive" else reader.sharing + 1
            reader.locked_by = OTHER if how == "transaction" else None

        return self._changing(work)

    def _release(self) -> None:
        with self._guests.lock:
            for reader in self._slots:
                reader.sharing, reader.locked_by = 0, None
            self._guests.tell_all()

    def _bind_deny(self, words: Words) -> Deed:
        """``deny [card]``: let nobody in, or nobody near a card, as a polkit without a rule does; until ``allow``."""
        what = words.optional()
        words.done()
        if what not in (None, "card"):
            raise ScenarioError(f"deny knows only card, not {what!r}")

        def start(_: float) -> list[Output]:
            with self.lock, self._guests.lock:
                self._guests.readers.denies_cards = what == "card"
                self._denied = what is None
            return []

        return Deed(start)

    def _allow(self) -> None:
        with self.lock, self._guests.lock:
            self._denied = self._guests.readers.denies_cards = False

    def _freeze(self, frozen: bool) -> None:  # noqa: FBT001 - called by name of the action only
        with self._guests.lock:
            self._guests.frozen = frozen
            self._guests.lock.notify_all()

    def _write_counters(self) -> None:
        path = self.place.with_name(f"{self.place.name}.json")
        spare = path.with_suffix(".new")
        spare.write_text(json.dumps(dict(self.counters)), encoding="utf-8")
        os.replace(spare, path)  # noqa: PTH105 - one step for whoever reads it

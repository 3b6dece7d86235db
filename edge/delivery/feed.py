"""The events that are still to be sent, in order: the newest from memory, older ones in pages from the outbox."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from edge.delivery.flights import Flights
from edge.store.outbox import Outbox, Page, Row

LIVE_ROWS = 2000
LIVE_BYTES = 4 << 20
"""So much waits in memory at most; what is older is read from the outbox again."""
_PAGE_ROWS = 200


class Feed:
    """Belongs to the MQTT thread; *wake* makes that look again. :meth:`offer` may be called from any thread."""

    def __init__(self, flights: Flights, wake: Callable[[], None]) -> None:
        self._flights, self._wake = flights, wake
        self._live: deque[Row] = deque()
        self._live_bytes = 0
        self._live_lock = threading.Lock()
        self._offered: int | None = None
        """The last row offered. The outbox's head may be ahead of it: that row is about to be offered."""
        self._pages: deque[Page] = deque()
        self._asked = False

    def offer(self, rows: Sequence[Row]) -> None:
        """Take newly accepted rows, in order. Only the last ones are kept: others are read from the outbox."""
        with self._live_lock:
            self._live.extend(rows)
            self._live_bytes += sum(_size(row) for row in rows)
            while len(self._live) > LIVE_ROWS or self._live_bytes > LIVE_BYTES:
                self._take()
            self._offered = rows[-1].seq

    def restart(self) -> None:
        """Forget what was read for the connection before."""
        self._pages.clear()

    def next_row(self, outbox: Outbox) -> Row | None:
        """Return the row behind what was sent; ``None``: there is none, or it is being read."""
        flights = self._flights
        while self._pages:
            page = self._pages[0]
            while page.rows and page.after <= flights.sent:  # one asked for before a break may begin too late
                row = page.rows.pop(0)
                if len(page.rows) == _PAGE_ROWS // 2 and len(self._pages) == 1:
                    self._ask(outbox, page.upto)  # while the rest goes out
                if row.seq > flights.sent:
                    return row
            self._pages.popleft()
            if page.after <= flights.sent < page.upto:
                flights.begin(page.upto, 0)  # what is not on the page is no longer there, or refused for good
        with self._live_lock:
            while self._live and self._live[0].seq <= flights.sent:
                self._take()
            if self._live and self._live[0].seq == flights.sent + 1:
                return self._take()
        self._ask(outbox, flights.sent)
        return None

    def _take(self) -> Row:
        """Remove the oldest row from memory and return it; with the lock held."""
        row = self._live.popleft()
        self._live_bytes -= _size(row)
        return row

    def _ask(self, outbox: Outbox, after: int) -> None:
        """Begin to read the page behind *after*, if there is one and none is being read."""
        head = outbox.head if self._offered is None else self._offered
        if head > after and not self._asked and not outbox.failed:
            self._asked = True
            outbox.after(after, _PAGE_ROWS).add_done_callback(self._came)

    def _came(self, future: Future[Page]) -> None:
        if future.exception() is None:
            self._pages.append(future.result())
        self._asked = False
        self._wake()


def _size(row: Row) -> int:
    return len(row.public) + len(row.sealed or b"")

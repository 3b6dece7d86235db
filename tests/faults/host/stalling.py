"""The daemon as ever, but a signal makes a part of it hang for ever: USR1 the one that STALL names.

``loop``: the event loop turns no more; ``interpreter``: a library keeps the interpreter's lock; ``mqtt``: the thread
of the connection; ``store``: the store's thread; ``lane``: the watch of every device. STALL_S shortens the watchdog's
patience, so that tests need not wait.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from concurrent.futures import Future
from typing import Any

import edge.cli
from edge import watchdog
from edge.delivery import transport
from edge.lanes import thread
from edge.store.outbox import Outbox

watchdog.LIMIT_S = float(os.environ.get("STALL_S", watchdog.LIMIT_S))
watchdog.STORE_LIMIT_S = float(os.environ.get("STALL_S", watchdog.STORE_LIMIT_S))
asked = threading.Event()
outboxes: list[Outbox] = []


def hang() -> None:
    card_number_of_a_citizen = os.environ["STALL_SECRET"]
    while card_number_of_a_citizen:
        time.sleep(0.5)


def on_signal(_number: int, _frame: Any) -> None:
    what = os.environ["STALL"]
    if what == "loop":
        hang()
    elif what == "interpreter":
        ctypes.PyDLL(None).sleep(3600)
    elif what == "store":
        outboxes[0].call(lambda _db: hang())
    elif what == "lane":
        thread._WATCH_S = 3600.0  # noqa: SLF001
    else:
        asked.set()


def hanging_pass(connection: transport.Transport, wait_s: float) -> None:
    if asked.is_set():
        hang()
    real_pass(connection, wait_s)


real_pass, real_opening = transport.Transport.pass_once, Outbox.opening


def noted_opening(outbox: Outbox) -> Future[None]:
    outboxes.append(outbox)
    return real_opening(outbox)


if __name__ == "__main__":
    setattr(transport.Transport, "pass_once", hanging_pass)  # noqa: B010  # no name for the type checker
    setattr(Outbox, "opening", noted_opening)  # noqa: B010
    signal.signal(signal.SIGUSR1, on_signal)
    sys.exit(edge.cli.main())

"""A bad cable: a pseudo-terminal between a driver and its device that can be pulled, cut and disturbed.

It needs nothing of the device but its serial node, so it also serves simulators that are not ours.
"""

from __future__ import annotations

import os
import select
import termios
import threading
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

from tests.support.wait import wait_until

SPEEDS = (4, 5)  # input and output in what tcgetattr returns
READ_BYTES = 65536
FETCH_S = 0.5
ORDER_S = 10.0


class Cable:
    """Carries bytes between *node*, which the driver opens, and the device; one thread of its own.

    That thread alone opens and closes the driver's line: a descriptor that another thread waits for stays open.
    """

    def __init__(self, node: Path, device: Path) -> None:
        self.node = node
        self.from_device = 0
        """Bytes that have come from the device and gone on to the driver."""
        self._device = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._device)
        self._ends: tuple[int, int] | None = None
        self._cut_at: int | None = None
        self._spoil: Callable[[bytes], bytes] = lambda data: data
        self._orders: SimpleQueue[tuple[Callable[[], object], threading.Event]] = SimpleQueue()
        self._ordered = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="cable", daemon=True)
        self._thread.start()
        self.plug()

    def plug(self) -> None:
        """Put the cable in: the node appears."""
        self._order(self._appear)

    def unplug(self) -> None:
        """Pull the cable: the node goes, and who has it open is hung up on."""
        self._order(self._pull)

    def cut_after(self, count: int) -> None:
        """Pull the cable when *count* more bytes of the device have come through."""
        self._cut_at = self.from_device + count

    def spoil(self, change: Callable[[bytes], bytes] = lambda data: data) -> None:
        """Pass what the device says through *change* from now on."""
        self._spoil = change

    def tune(self) -> None:
        """Take over the rate that the driver has set; happens by itself when the driver writes."""
        self._order(self._follow)

    def close(self) -> None:
        self._order(self._end)
        self._thread.join()
        os.close(self._device)
        os.close(self._ordered)

    def _order(self, work: Callable[[], object]) -> None:
        """Let the cable's thread do *work*, and return when it is done."""
        done = threading.Event()
        self._orders.put((work, done))
        os.eventfd_write(self._ordered, 1)
        assert done.wait(ORDER_S), "the cable's thread has ended"

    # --- the cable's thread ---

    def _run(self) -> None:
        while not self._closed:
            poller = select.poll()
            for fd in (self._ordered, self._device, *(self._ends or ())[:1]):
                poller.register(fd, select.POLLIN)
            poller.poll()
            with suppress(BlockingIOError):
                os.eventfd_read(self._ordered)
            with suppress(OSError):
                self._to_driver()
            with suppress(OSError):
                self._to_device()
            while not self._orders.empty():
                work, done = self._orders.get()
                work()
                done.set()

    def _appear(self) -> None:
        if self._ends is None:
            # Our copy of the driver's end keeps the line quiet while nobody has it open.
            self._ends = os.openpty()
            tty.setraw(self._ends[1])
            os.set_blocking(self._ends[0], False)
            self.node.symlink_to(os.ttyname(self._ends[1]))

    def _pull(self) -> None:
        if self._ends is not None:
            self.node.unlink()
            for end in self._ends:
                os.close(end)
            self._ends = None

    def _end(self) -> None:
        self._pull()
        self._closed = True

    def _to_driver(self) -> None:
        data = self._spoil(os.read(self._device, READ_BYTES))
        if self._ends is None:
            return
        left = None if self._cut_at is None else self._cut_at - self.from_device
        if left is not None and len(data) >= left:
            self._send(data[:left])
            self._cut_at = None
            self._drain(self._ends[1])
            self._pull()
        else:
            self._send(data)

    def _send(self, data: bytes) -> None:
        if self._ends is not None and data:
            self.from_device += len(data)
            os.write(self._ends[0], data)

    def _drain(self, end: int) -> None:
        """Give the driver a moment to fetch what came before the cut: a pull loses what is in the kernel."""
        unread = select.poll()
        unread.register(end, select.POLLIN)
        with suppress(AssertionError):
            wait_until(lambda: not unread.poll(0), FETCH_S)

    def _to_device(self) -> None:
        """Hand on what the driver has written, at the rate that it has set."""
        if self._ends is not None:
            data = os.read(self._ends[0], READ_BYTES)
            self._follow()
            os.write(self._device, data)

    def _follow(self) -> None:
        if self._ends is not None:
            wanted, own = termios.tcgetattr(self._ends[0]), termios.tcgetattr(self._device)
            if any(wanted[at] != own[at] for at in SPEEDS):
                for at in SPEEDS:
                    own[at] = wanted[at]
                termios.tcsetattr(self._device, termios.TCSANOW, own)

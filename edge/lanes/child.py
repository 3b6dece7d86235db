"""The daemon's end of a driver's process: start it, talk to it, notice that it does not run any more, end it."""

from __future__ import annotations

import logging
import os
import re
import select
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from edge import logs
from edge.driver import Driver, Settings
from edge.errors import DeviceTimeout
from edge.lanes.channel import (
    Channel,
    Close,
    Garbage,
    Logged,
    Order,
    Start,
    Told,
    Wake,
    close_all,
    decode,
    encode,
)
from edge.lanes.spawn import Ours, ProcessFault, spawn
from edge.port import DevicePort

FROZEN_S = 1.5
"""A process that has said and computed nothing for so long (six times its beat) does not run any more."""
_LOOK_S = 0.25
_STOPPED_S = 1.0  # we did not run ourselves for so long: no time to judge others
_LAST_WORDS_S = 0.1
_LAST_WORDS_BYTES = 4096
_CPUCLOCK_SCHED = 2  # clock_getcpuclockid(3) of another process, which Python has only for threads
_SOME_NS = 10_000_000  # of 0.25 s; a thread that waits for the interpreter looks for it 200 times a second
_FRAME = re.compile(r'File "(?:.*/)?([^"/]+)", line (\d+) in (\S+)')


class Child:
    """One process. One thread starts, hears and ends it; :meth:`wake` and :meth:`close` are for any thread.

    It lives as long as the thread that started it, at most: the kernel kills it with that thread.
    """

    def __init__(self, driver_type: type[Driver], settings: Settings, port: DevicePort) -> None:
        self.last: Told | None = None
        """The last signs of life."""
        self._log = logs.for_device(port.device)
        self._hung = driver_type.hung
        self._lock = threading.Lock()
        self._ended = False
        self._how = ""
        self._used_ns = 0
        start = _start(driver_type, settings, port)
        network = driver_type.needs_network(settings, port.address)
        self._process, ours = spawn(port.device, network=network)
        self._channel = Channel(ours)
        self._crash = os.memfd_create("crash", os.MFD_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._channel, select.POLLIN)
        parent = os.getpid() if isinstance(self._process, Ours) else None
        self.say(msgspec.structs.replace(start, parent=parent), [self._crash])

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._ended

    def say(self, order: Order, fds: Sequence[int] = ()) -> None:
        """Send *order*; a process that cannot take it is ended. Raises :class:`ProcessFault`."""
        # it may have had nothing to say, and we no time to listen
        self._heard = self._moved = self._looked = time.monotonic()
        try:
            self._channel.send(encode(order), fds, wait=False)
        except OSError as error:
            raise self._fault() from error

    def hear(self, quiet_s: float, hung_s: float) -> tuple[Told, list[int]]:
        """Return the next message with its descriptors, which belong to the caller.

        Raises :class:`ProcessFault` when the process ended, ``DeviceTimeout`` when it is silent for *quiet_s* or its
        driver makes no move for *hung_s*; the process is ended then.
        """
        while True:
            ready = self._poll.poll(_LOOK_S * 1000)
            now = time.monotonic()
            if now - self._looked > _STOPPED_S:
                self._heard = self._moved = now
            self._looked = now
            if ready:
                told, fds = self._received(now)
                if told.body is None:  # a sign of life: the process runs, and its driver may hang all the same
                    close_all(fds)
                    self._judge(now, quiet_s, hung_s)
                    fds = []
                return told, fds
            if self._process.died():  # what it has started may hold the socket open
                raise self._fault()
            if self._computes():
                self._heard = now  # in native code that lets no other thread run, or the PC is very busy
            self._judge(now, quiet_s, hung_s)

    def _received(self, now: float) -> tuple[Told, list[int]]:
        fds: list[int] = []
        try:
            data, fds = self._channel.receive()
            told: Told = decode(data, Told)
        except (EOFError, OSError):
            raise self._fault() from None
        except Garbage as error:
            close_all(fds)
            self.end()
            raise ProcessFault(f"the driver's process said what it must not ({error})") from None
        self._heard = now
        if self.last is None or told.beats != self.last.beats:
            self._moved = now
        self.last = told
        return told, fds

    def _computes(self) -> bool:
        """Return whether the process has used the processor since it was last asked."""
        before, self._used_ns = self._used_ns, time.clock_gettime_ns(~self.pid << 3 | _CPUCLOCK_SCHED)
        return self._used_ns - before > _SOME_NS

    def _judge(self, now: float, quiet_s: float, hung_s: float) -> None:
        quiet, still = now - self._heard, now - self._moved
        if quiet > quiet_s:
            what = f"the driver's process has not run for {quiet:.1f} s"
        elif still > hung_s + (self.last.slow_s if self.last else 0.0):
            what = f"a call of the driver has hung for {still:.1f} s"
        else:
            return
        with self._lock:
            self._process.signal(signal.SIGABRT)  # lets it say where it hangs
        self._process.died(_LAST_WORDS_S)
        where = self._last_words()
        self.end()
        self._log.warning(f"{what}: it was ended", extra={"fields": {"pid": self.pid, "where": where}})
        raise DeviceTimeout(what, code=self._hung.code, action=self._hung.action)

    # --- any thread ---

    def wake(self) -> None:
        """End the driver's waiting, and have its signs of life at once."""
        with self._lock, suppress(OSError):  # without room there is a lot to wake it up already
            if not self._ended:
                self._channel.send(encode(Wake()), wait=False)

    def close(self) -> None:
        """Kill the process; the thread that hears it finds out and cleans up."""
        with self._lock:
            self._kill()

    # --- the end ---

    def end(self, grace_s: float = 0.0) -> None:
        """End the process, with *grace_s* by closing its device first; let go of all that belongs to it."""
        if self._ended:
            return
        if grace_s:
            with suppress(OSError):
                self._channel.send(encode(Close()), wait=False)
                self._drain(time.monotonic() + grace_s)
        with self._lock:
            self._kill()
            self._ended = True  # from here on nobody else touches it
        self._how = self._process.reap()
        self._channel.close()
        os.close(self._crash)

    def _drain(self, until: float) -> None:
        """Hear what is still said until the process has ended."""
        while (left_s := until - time.monotonic()) > 0:
            if not self._poll.poll(left_s * 1000):
                return
            try:
                data, fds = self._channel.receive()
            except (EOFError, Garbage):
                break
            close_all(fds)
            with suppress(Garbage):
                if isinstance(body := decode(data, Told).body, Logged):
                    self.log(body)
        self._process.died(_LAST_WORDS_S)

    def log(self, record: Logged) -> None:
        """Write what the driver has logged in its process."""
        if self._log.isEnabledFor(record.level):
            self._log.log(record.level, record.message, extra={"fields": record.fields})

    def _kill(self) -> None:
        if not self._ended:
            self._process.kill()

    def _fault(self) -> ProcessFault:
        """Return why the process ended; it has, or it is ended."""
        by_itself, where = self._process.died(_LAST_WORDS_S), self._last_words()
        self.end()
        why = self._how if by_itself else "closed its socket"
        self._log.warning(f"the driver's process {why}", extra={"fields": {"pid": self.pid, "where": where}})
        return ProcessFault(f"the driver's process {why}")

    def _last_words(self) -> str:
        """Return where in the driver a crash happened: files, lines and functions, the outermost first."""
        text = os.pread(self._crash, _LAST_WORDS_BYTES, 0).decode(errors="replace")
        frames = [f"{name}:{line}:{function}" for name, line, function in _FRAME.findall(text)]
        return " > ".join(frames[:8][::-1])


def _start(driver_type: type[Driver], settings: Settings, port: DevicePort) -> Start:
    return Start(
        module=driver_type.__module__,
        name=driver_type.__qualname__,
        settings=msgspec.Raw(encode(settings)),
        device=port.device,
        address=port.address,
        digest_key=port.digest_key,
        public_traffic=port.public_traffic,
        log_level=logging.getLogger("hall-edge").getEffectiveLevel(),
        memory_mb=driver_type.memory_mb,
        environment=dict(driver_type.environment(settings, port.address)),
    )

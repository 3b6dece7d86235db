"""What a driver in a process of its own can be told to do: events, commands, and crashes as of native code."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edge import errors
from edge.driver import Job
from edge.events import Captured, Evaluate, Params, Payload, Presented, Rated
from edge.lanes import channel
from tests.core.samples import CANARY

if TYPE_CHECKING:
    from tests.core.process_drivers import Doll

LONG_S = 60.0
SESSION = "00000000-0000-4000-8000-000000000001"


def rated(level: int = 5) -> Rated:
    return Rated(session=SESSION, level=level, dwell_ms=1)


# --- events --------------------------------------------------------------------------------------


def as_list(_: Doll) -> list[Payload]:
    return [rated(1), rated(2), rated(3)]


def one_by_one(doll: Doll) -> Iterator[Payload]:
    try:
        for level in (1, 2, 3):
            doll.note(f"before {level}")
            yield rated(level)
            doll.note(f"after {level}")
    finally:
        doll.note("the generator ends")


def many(_: Doll) -> list[Payload]:
    return [rated() for _ in range(2000)]


def flood(_: Doll) -> Iterator[Payload]:
    while True:
        yield rated()


def unfit(_: Doll) -> list[Payload]:
    return [rated(level=99)]


def not_encodable(_: Doll) -> list[Payload]:
    return [Rated(session=object(), level=1, dwell_ms=1)]  # type: ignore[arg-type]


def picture(doll: Doll) -> Iterator[Payload]:
    data = bytes(range(256)) * (doll.settings.size // 256)
    yield captured(doll, data)


def captured(doll: Doll, data: bytes) -> Captured:
    ref = doll.port.blob(data, "image/jpeg")
    return Captured(session=SESSION, width=1, height=1, corrected=False, after_ms=1, blob=ref)


def pictures_without_event(doll: Doll) -> list[Payload]:
    for number in range(4):
        doll.port.blob(bytes([number]), "image/png")
    return []


def pictures_beside_events(doll: Doll) -> Iterator[Payload]:
    """Yield events that do not name the pictures that were handed over."""
    for number in range(5):
        doll.port.blob(bytes([number]), "image/png")
        yield Presented()


def crash_beside_a_picture(doll: Doll) -> list[Payload]:
    doll.port.blob(bytes(100_000), "image/png")
    segfault(doll)
    return []


# --- ways to end ---------------------------------------------------------------------------------


def segfault(_: Doll) -> list[Payload]:
    ctypes.string_at(0)
    return []


def kill(_: Doll) -> list[Payload]:
    os.kill(os.getpid(), signal.SIGKILL)
    return []


def leave(_: Doll) -> list[Payload]:
    os._exit(3)


def stop(_: Doll) -> list[Payload]:
    os.kill(os.getpid(), signal.SIGSTOP)
    return []


def hang(_: Doll) -> list[Payload]:
    select.select([], [], [], LONG_S)
    return []


def hang_with_everything(_: Doll) -> list[Payload]:
    """Hang in native code that does not let go of the interpreter."""
    ctypes.PyDLL(None).sleep(int(LONG_S))
    return []


def compute_with_everything(doll: Doll) -> list[Payload]:
    """Compute for 3 s in native code that does not let go of the interpreter: no other thread runs."""
    end = time.monotonic() + 3.0
    any(map(end.__lt__, iter(time.monotonic, None)))
    return as_list(doll)


def spin(_: Doll) -> list[Payload]:
    while True:
        pass


def leak(_: Doll) -> list[Payload]:
    kept = []
    while True:
        kept.append(bytearray(1 << 20))


def leak_natively(_: Doll) -> list[Payload]:
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    while libc.malloc(ctypes.c_size_t(1 << 20)):  # untouched: it counts all the same, and takes no time
        pass
    os.abort()


def bug(_: Doll) -> list[Payload]:
    raise ValueError(CANARY)


def bug_later(_: Doll) -> Iterator[Payload]:
    yield rated()
    raise KeyError(CANARY)


def leave_by_the_door(_: Doll) -> list[Payload]:
    sys.exit(CANARY)


def with_a_grandchild(doll: Doll) -> list[Payload]:
    """End, but leave a process behind that has the socket open too."""
    own = int(sys.argv[1])
    sleeper = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"], pass_fds=(own,))
    doll.note(str(sleeper.pid))
    os._exit(4)


# --- what must not be said -----------------------------------------------------------------------


def _socket() -> socket.socket:
    return socket.socket(fileno=os.dup(int(sys.argv[1])))


def noise(_: Doll) -> list[Payload]:
    with _socket() as sock:
        sock.send(b"\0" + bytes(range(200)))
    time.sleep(LONG_S)
    return []


def noise_that_is_too_long(_: Doll) -> list[Payload]:
    with _socket() as sock:
        sock.send(bytes(100_000))
    time.sleep(LONG_S)
    return []


def out_of_order(_: Doll) -> list[Payload]:
    with _socket() as sock:
        sock.send(b"\0" + channel.encode(channel.Told(1, None, False, channel.Loaded())))
    time.sleep(LONG_S)
    return []


def a_file_that_can_shrink(_: Doll) -> list[Payload]:
    """Hand over a picture that could be cut while the daemon reads it, which would end the daemon."""
    fd = os.memfd_create("evil", os.MFD_ALLOW_SEALING)
    os.write(fd, bytes(4096))
    ref = {"id": "00000000-0000-4000-8000-000000000001", "media_type": "image/png", "size": 4096, "sha256": "0" * 64}
    events = {"type": "Events", "blobs": [ref], "events": []}
    with _socket() as sock:
        socket.send_fds(sock, [b"\0" + channel.encode([1, None, False, events])], [fd])
    time.sleep(LONG_S)
    return []


# --- commands ------------------------------------------------------------------------------------


def answers(_: Doll, command: Params, job: Job) -> list[Payload]:
    assert isinstance(command, Evaluate)
    job.report("began", 1, 2)
    assert 0 < job.remaining_s() <= LONG_S
    return [Rated(session=job.request_id, level=4, dwell_ms=command.timeout_s)]


def until_cancelled(doll: Doll, _command: Params, job: Job) -> Iterator[Payload]:
    yield rated()
    job.report("waits")
    while True:
        job.check()
        doll.port.idle(0.05)


def never_checks(doll: Doll, _command: Params, job: Job) -> list[Payload]:
    job.report("waits")
    return hang(doll)


def fails(_doll: Doll, _command: Params, _job: Job) -> list[Payload]:
    raise errors.Unsupported("not now")


def crashes(doll: Doll, _command: Params, job: Job) -> Iterator[Payload]:
    yield rated()
    job.report("waits")
    segfault(doll)

"""Pictures cross from a driver's process as memory files: mapped, not copied, and never more than are wanted."""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import socket
from collections.abc import Sequence

import pytest

from edge.events import Captured, Payload
from edge.lanes import channel
from edge.store.outbox import Row
from tests.core.process_rig import Apart, held
from tests.support.wait import wait_until_async

SIZE = 20 << 20


class Taken:
    """Takes events and their pictures, as the core does."""

    def __init__(self, apart: Apart) -> None:
        self.pictures: list[tuple[int, str, bool]] = []
        self._port = apart.port
        self._next = apart.lane._accept  # noqa: SLF001  # the rig's
        apart.lane._accept = self  # noqa: SLF001

    def __call__(self, events: Sequence[Payload], case: str | None) -> Sequence[Row]:
        for event in events:
            assert isinstance(event, Captured)
            data = memoryview(self._port.take_blob(event.blob.id))
            good = event.blob.sha256 == hashlib.sha256(data).hexdigest()
            self.pictures.append((data.nbytes, "read-only" if data.readonly else "writable", good))
        return self._next(events, case)


async def test_a_large_picture_is_there_when_its_event_is_accepted() -> None:
    before = held()
    async with Apart(on_poll="picture", size=SIZE) as apart:
        taken = Taken(apart)
        async with apart.serving():
            await wait_until_async(lambda: taken.pictures)
        assert taken.pictures == [(SIZE, "read-only", True)]
    await wait_until_async(lambda: held() == before, 3, "nothing is left of it")


async def test_a_picture_that_is_too_large_is_the_drivers_bug() -> None:
    async with Apart(on_poll="picture", size=channel.MAX_BYTES + 256) as apart:
        assert (await apart.error()).message == "ValueError in the driver"


# --- what is refused -----------------------------------------------------------------------------


def a_file(size: int, seals: int) -> int:
    fd = os.memfd_create("test", os.MFD_ALLOW_SEALING)
    os.truncate(fd, size)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


ALL = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


@pytest.mark.parametrize(
    ("size", "seals", "wanted"),
    [
        (4096, ALL & ~fcntl.F_SEAL_SHRINK, 4096),
        (4096, ALL & ~fcntl.F_SEAL_WRITE, 4096),
        (4096, ALL & ~fcntl.F_SEAL_SEAL, 4096),
        (4096, ALL, 4097),
        (0, ALL, 0),
        (channel.MAX_BYTES + 1, ALL, channel.MAX_BYTES + 1),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_refused(size: int, seals: int, wanted: int) -> None:
    fd = a_file(size, seals)
    with pytest.raises(channel.Garbage):
        channel.mapped(fd, wanted)
    os.close(fd)


def test_a_descriptor_of_something_else_is_refused() -> None:
    reading, writing = os.pipe()
    for fd in (reading, os.open("/dev/zero", os.O_RDONLY)):
        with pytest.raises(channel.Garbage):
            channel.mapped(fd)
        os.close(fd)
    os.close(writing)


def test_whatever_is_said_is_a_message_or_garbage() -> None:
    rng = random.Random(3)
    good = channel.encode(channel.Told(1, 0.5, False, channel.Logged(level=20, message="m", fields={"n": 1})))
    refused = 0
    for _ in range(3000):
        data = bytearray(good if rng.random() < 0.5 else rng.randbytes(rng.randrange(80)))
        for _ in range(rng.randrange(1, 5)):
            if data:
                data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            assert isinstance(channel.decode(bytes(data), channel.Told), channel.Told)
        except channel.Garbage:
            refused += 1
    assert refused > 1000


def test_descriptors_that_come_with_garbage_are_closed() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        before = held()
        for data in (b"", b"\1", b"\1x", bytes(100_000)):
            fds = [os.memfd_create("test") for _ in range(3)]
            socket.send_fds(theirs, [data], fds)
            channel.close_all(fds)
            with pytest.raises((channel.Garbage, EOFError)):
                channel.Channel(ours).receive()
        assert held() == before

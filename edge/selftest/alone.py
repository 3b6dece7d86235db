"""The process that tests a window whose daemon does not run: ``python -m edge.selftest.alone``, started by us only.

It reads its order as the first line of standard input, and ends when that ends; it says its messages as lines of
standard output. It holds the window's lock, opens devices and store as the daemon does, and keeps nothing of what
the devices report.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec

from edge import __version__
from edge.config import Config, Device, load
from edge.config.credentials import Grant, Lookup
from edge.devices import Devices
from edge.envelope import EnvelopeRenderer
from edge.errors import ConfigError, EdgeError, StoreError
from edge.events import Payload, WithBlob
from edge.health import stamp
from edge.lanes.confine import leave_no_dump
from edge.selftest.alone_process import Order
from edge.selftest.checks.config import of_problems
from edge.selftest.holding import hold_to_test
from edge.selftest.live import run
from edge.selftest.model import Begun, Message
from edge.selftest.runner import Planned, Runner
from edge.selftest.scene import Scene, Wanted, host
from edge.selftest.wire import BUG, told, told_error
from edge.store.outbox import Outbox, Row
from edge.store.room import Room
from edge.supervisor import Supervisor

Say = Callable[[dict[str, Any]], None]
_OPEN_S = 6.0
_CLOSE_S = 1.5


async def tested(order: Order, say: Say) -> None:
    """Carry out *order*."""
    lookup = Lookup({name: Grant(f"/proc/self/fd/{number}") for name, number in order.credentials.items()})

    def read() -> Config:
        return load(order.config, lookup=lookup)

    try:
        try:
            config = read()
        except ConfigError as error:
            await _say_all(_of_broken(error, order), say)
            return
        lock = hold_to_test(Path(config.paths.state), order.by)
        try:
            await _tested(order, config, read, say)
        finally:
            os.close(lock)
    except EdgeError as error:
        say(told_error(error))


async def _tested(order: Order, config: Config, read: Callable[[], Config], say: Say) -> None:
    """Open everything, test, and close everything."""
    devices = Devices(_keep_nothing)
    devices.digest_key = secrets.token_bytes(32)  # nothing that is digested leaves this process
    outbox, no_store = await _store(config)
    scene = Scene(
        wanted=Wanted(level=order.level, devices=order.devices, by=order.by, version=__version__),
        config=config, file=order.config, load=read, devices=devices, outbox=outbox, no_store=no_store,
    )  # fmt: skip
    try:
        wanted = [one for one in config.devices if not order.devices or one.name in order.devices]
        await devices.begin(devices.plan(wanted))
        await _say_all(run(scene), say)
    finally:
        tasks = devices.tasks()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSE_S)
        if outbox is not None:
            outbox.close()


async def _store(config: Config) -> tuple[Outbox | None, StoreError | None]:
    """Open the store as the daemon does; return why it does not open."""
    window, state = config.window, Path(config.paths.state)
    render = EnvelopeRenderer(window.hall, window.window, lab=window.lab).render
    names = [subscriber.name for subscriber in config.subscribers]
    outbox = Outbox(state / "outbox.db", render, lambda _rows: None, names, room=Room(state, config.outbox))
    opening = asyncio.wrap_future(outbox.opening())
    try:
        await asyncio.wait_for(opening, _OPEN_S)
    except StoreError as error:
        return None, error
    except TimeoutError:
        return None, StoreError(f"the store has not opened within {_OPEN_S:.0f} s", code="STO-132")
    return outbox, None


def _keep_nothing(
    _configured: Device, supervisor: Supervisor, events: Sequence[Payload], _case: str | None
) -> Sequence[Row]:
    """Take what a device reports, and forget it."""
    for event in events:
        if isinstance(event, WithBlob):
            supervisor.port.take_blob(event.blob.id)
    return ()


def _of_broken(error: ConfigError, order: Order) -> AsyncGenerator[Message, None]:
    """Return the self-test of a window whose configuration is not valid: that is all there is to say."""

    async def look(_ask: Any) -> AsyncGenerator[Any, None]:
        for check in of_problems(error.problems, "fail"):
            yield check

    head = Begun(
        hall=order.hall, window=order.window, host=host(), version=__version__, level=order.level, daemon=False,
        started=stamp(),
    )  # fmt: skip
    return Runner(head, [Planned("config", "config", look)]).messages()


async def _say_all(messages: AsyncGenerator[Message, None], say: Say) -> None:
    async with aclosing(messages):
        async for message in messages:
            say(told(message))


async def _until_nobody_listens(order: Order, say: Say) -> None:
    """Test until it is done, a signal comes, or standard input ends."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_reader(0, stop.set)
    testing = asyncio.create_task(tested(order, say))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([testing, stopped], return_when=asyncio.FIRST_COMPLETED)
    for task in (testing, stopped):
        task.cancel()
    await asyncio.wait([testing, stopped], timeout=2 * _CLOSE_S)
    if testing.done() and not testing.cancelled() and (error := testing.exception()) is not None:
        wrong = EdgeError(f"the self-test ended by a bug: {type(error).__name__}", code="TST-109", action=BUG)
        say(told_error(wrong))


def main() -> None:
    """Read the order and carry it out."""
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    out = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):  # what drivers print may hold what a device said
        os.dup2(nowhere, number)
    logging.getLogger().addHandler(logging.NullHandler())
    logging.lastResort = None
    os.umask(0o077)
    leave_no_dump()

    def say(body: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(out, msgspec.json.encode(body) + b"\n")

    asyncio.run(_until_nobody_listens(order, say))
    os._exit(0)  # a hung driver's thread must not keep the process


if __name__ == "__main__":
    main()

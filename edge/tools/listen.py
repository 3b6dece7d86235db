"""``hall-edge listen``: events as a back office sees them."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path

from edge.subscriber import Event, Login, Notice, Subscriber
from edge.tools.lines import event_line


def add_broker_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what finds the broker and the hall."""
    parser.add_argument("--url", required=True, help="mqtt://host:port or mqtts://host:port")
    parser.add_argument("--hall", default="+", help="default: every hall")
    parser.add_argument("--ca", type=Path, help="the CA's certificate, for mqtts")
    parser.add_argument("--certificate", type=Path, help="our certificate, for mqtts")
    parser.add_argument("--client-key", type=Path, help="its private key")


def login(chosen: argparse.Namespace) -> Login:
    """Return who we are to the broker."""
    return Login(ca=chosen.ca, certificate=chosen.certificate, key=chosen.client_key)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hall-edge listen``."""
    add_broker_arguments(parser)
    parser.add_argument("--window", default="+", help="default: every window")
    parser.add_argument("--name", help="our name as a subscriber (default: one of our own)")
    parser.add_argument(
        "--acknowledge", action="store_true", help="acknowledge, as the registered subscriber of that name"
    )
    parser.add_argument("--key", type=Path, action="append", default=[], help="private JWK that opens sealed bodies")
    parser.add_argument("--state", type=Path, help="a window's state folder, for its lab key")
    parser.add_argument("--show-personal", action="store_true", help="show personal fields instead of masking them")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object a line, personal fields as with --show-personal"
    )
    parser.add_argument("--count", type=int, metavar="N", help="end after N events")
    parser.add_argument("--for", dest="seconds", type=float, metavar="SECONDS", help="end after so long")


def run(chosen: argparse.Namespace) -> int:
    """Print events until Ctrl-C, --count or --for."""
    return asyncio.run(_listen(chosen))


async def _listen(chosen: argparse.Namespace) -> int:
    name = chosen.name or f"listen-{os.getpid()}"
    keys = [*chosen.key, *([chosen.state / "lab-key.jwk"] if chosen.state else [])]
    subscriber = Subscriber(
        chosen.url, name=name, hall=chosen.hall, window=chosen.window, keys=keys, login=login(chosen),
        on_notice=_noticed, observe=not chosen.acknowledge, session_expiry_s=0 if not chosen.acknowledge else 3600,
    )  # fmt: skip
    async with subscriber:
        printing = asyncio.create_task(_print_all(subscriber, chosen))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, printing.cancel)
        with contextlib.suppress(asyncio.CancelledError, TimeoutError):
            await asyncio.wait_for(printing, chosen.seconds)
    return 0


async def _print_all(subscriber: Subscriber, chosen: argparse.Namespace) -> None:
    count = 0
    connected = asyncio.create_task(_say_connected(subscriber))
    try:
        async for event in subscriber:
            _say(_as_json(event, chosen) if chosen.json else event_line(event, show_personal=chosen.show_personal))
            subscriber.done()
            count += 1
            if chosen.count is not None and count >= chosen.count:
                break
    finally:
        connected.cancel()


async def _say_connected(subscriber: Subscriber) -> None:
    while not subscriber.connected:
        await asyncio.sleep(0.05)
    sys.stderr.write("connected\n")
    sys.stderr.flush()


def _as_json(event: Event, chosen: argparse.Namespace) -> str:
    """Return the event with the attributes a script needs; the sealed body only with ``--show-personal``."""
    hidden = event.opened and not chosen.show_personal
    body = {
        "hall": event.hall, "window": event.window, "device": event.device, "kind": event.kind, "type": event.type,
        "seq": str(event.seq), "epoch": event.epoch, "id": event.id, "time": event.envelope.time, "mode": event.mode,
        "opened": event.opened, "unreadable": event.unreadable,
        "data": None if hidden else event.data,
    }  # fmt: skip
    return json.dumps(body, ensure_ascii=False)


def _noticed(notice: Notice) -> None:
    _say(f"-- {notice}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()

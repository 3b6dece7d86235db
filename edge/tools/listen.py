"""``hall-edge listen``: events as a back office sees them."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import signal
import sys
from pathlib import Path

from edge.subscriber import BadArgument, Event, Limits, Login, Notice, Subscriber
from edge.tools.keeping import Keeper
from edge.tools.lines import event_line, personal_fields

SESSION_S = 3600
OBSERVING = Limits(gap_limit_s=2.0, blob_limit_s=10.0)
"""Who cannot ask for what is missing does not wait for it, but a picture takes its time."""
KEEPING = dataclasses.replace(OBSERVING, ack_every_events=1)
"""Each event's position is safe before the broker may forget it."""


def add_broker_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what finds the broker and the hall, and says who we are."""
    parser.add_argument("--url", required=True, help="mqtt://host:port or mqtts://host:port")
    parser.add_argument("--hall", default="+", help="default: every hall")
    parser.add_argument("--ca", type=Path, help="the CA's certificate, for mqtts")
    parser.add_argument("--certificate", type=Path, help="our certificate, for mqtts")
    parser.add_argument("--client-key", type=Path, help="its private key")
    parser.add_argument("--username", help="for brokers with passwords")
    parser.add_argument("--password-file", type=Path, metavar="FILE", help="its first line is the password")


def login(chosen: argparse.Namespace) -> Login:
    """Return who we are to the broker; raises ``BadArgument``."""
    try:
        password = chosen.password_file.read_text(encoding="utf-8").split("\n")[0] if chosen.password_file else None
    except OSError as error:
        raise BadArgument(f"{chosen.password_file}: {error.strerror}", action="check the file") from None
    return Login(
        ca=chosen.ca,
        certificate=chosen.certificate,
        key=chosen.client_key,
        username=chosen.username,
        password=password,
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hall-edge listen``."""
    add_broker_arguments(parser)
    parser.add_argument("--window", default="+", help="default: every window")
    parser.add_argument("--name", help="our name as a subscriber (default: one of our own)")
    parser.add_argument(
        "--acknowledge",
        action="store_true",
        help="ask for what is missing and acknowledge, as the registered subscriber of that name: "
        "its own system will not get these events",
    )
    parser.add_argument("--key", type=Path, action="append", default=[], help="private JWK that opens sealed bodies")
    parser.add_argument("--state", type=Path, metavar="DIR", help="a window's state folder, for its lab key")
    parser.add_argument("--show-personal", action="store_true", help="show personal fields instead of masking them")
    parser.add_argument(
        "--save",
        type=Path,
        metavar="DIR",
        help="keep every event there (events.jsonl), pictures and documents as files, and the position: started "
        "again, it goes on where it was. What a key opens stands there in clear",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line; personal fields are left out")
    parser.add_argument("--count", type=int, metavar="N", help="end after N events; with --for, 1 when fewer came")
    parser.add_argument("--for", dest="seconds", type=float, metavar="SECONDS", help="end after so long")


def run(chosen: argparse.Namespace) -> int:
    """Print events until Ctrl-C, --count or --for."""
    keeper = Keeper(chosen.save) if chosen.save else None
    try:
        return asyncio.run(_listen(chosen, keeper))
    finally:
        if keeper:
            keeper.close()


async def _listen(chosen: argparse.Namespace, keeper: Keeper | None) -> int:
    async with _subscriber(chosen, keeper) as subscriber:
        printing = asyncio.create_task(_print_all(subscriber, chosen, keeper))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, printing.cancel)
        try:
            await asyncio.wait_for(printing, chosen.seconds)
        except TimeoutError:
            return 0 if chosen.count is None else 1
        except asyncio.CancelledError:
            return 0
    return 0


def _subscriber(chosen: argparse.Namespace, keeper: Keeper | None) -> Subscriber:
    def noticed(notice: Notice) -> None:
        _say(_notice_as_json(notice) if chosen.json else f"-- {notice}")
        if keeper:
            keeper.note(notice)

    return Subscriber(
        chosen.url,
        name=keeper.name(chosen.name) if keeper else chosen.name or f"listen-{os.getpid()}",
        hall=chosen.hall,
        window=chosen.window,
        keys=[*chosen.key, *([chosen.state / "lab-key.jwk"] if chosen.state else [])],
        login=login(chosen),
        blobs=chosen.save,
        position=keeper.position if keeper else None,
        on_notice=noticed,
        observe=not chosen.acknowledge,
        session_expiry_s=SESSION_S if chosen.acknowledge or keeper else 0,
        limits=Limits() if chosen.acknowledge else KEEPING if keeper else OBSERVING,
    )


async def _print_all(subscriber: Subscriber, chosen: argparse.Namespace, keeper: Keeper | None) -> None:
    left = chosen.count
    connected = asyncio.create_task(_say_connected(subscriber))
    try:
        while left is None or left > 0:
            event = await anext(subscriber)
            if keeper:
                await asyncio.to_thread(keeper.keep, event)
            _say(_as_json(event, chosen) if chosen.json else event_line(event, show_personal=chosen.show_personal))
            subscriber.done()
            left = None if left is None else left - 1
    finally:
        connected.cancel()


async def _say_connected(subscriber: Subscriber) -> None:
    await subscriber.ready()
    sys.stderr.write("connected\n")
    sys.stderr.flush()


def _as_json(event: Event, chosen: argparse.Namespace) -> str:
    """Return the event with what a script needs; personal fields only with ``--show-personal``."""
    hidden = frozenset() if chosen.show_personal else personal_fields(event)
    body = {
        "hall": event.hall, "window": event.window, "device": event.device, "kind": event.kind, "type": event.type,
        "seq": str(event.seq), "epoch": event.epoch, "id": event.id, "time": event.envelope.time, "mode": event.mode,
        "opened": event.opened, "unreadable": event.unreadable, "late": event.late,
        "data": {key: value for key, value in event.data.items() if key not in hidden},
    }  # fmt: skip
    if event.envelope.lab:
        body |= {"lab": True}
    if event.blob or event.blob_gone:
        body |= {"blob_path": str(event.blob.path) if event.blob else None, "blob_gone": event.blob_gone}
    return json.dumps(body, ensure_ascii=False)


def _notice_as_json(notice: Notice) -> str:
    return json.dumps({"notice": type(notice).__name__.lower(), **dataclasses.asdict(notice)})


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()

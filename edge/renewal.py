"""What a new configuration means for every part of the daemon: what it needs is made first, and then put to use."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edge import logs
from edge.announce import Announcer
from edge.blobs.desk import BlobDesk
from edge.commands.admission import Gate, gate
from edge.commands.desk import Commands
from edge.config import Config
from edge.delivery.address import broker_address
from edge.delivery.publisher import Publisher
from edge.delivery.replays import Replays
from edge.delivery.transport import BrokerAddress
from edge.devices import Changes, Devices, Plan
from edge.envelope import EnvelopeRenderer
from edge.health import HealthWatch
from edge.page.server import StatusPage
from edge.state_dir import KeptKey
from edge.store.outbox import Outbox
from edge.store.retention import Kept

if TYPE_CHECKING:
    from edge.sealing.jwe import Sealer


class Parts(NamedTuple):
    """The parts of a running daemon that go by the configuration."""

    devices: Devices
    renderer: EnvelopeRenderer
    outbox: Outbox
    replays: Replays
    publisher: Publisher
    blobs: BlobDesk
    commands: Commands
    announcer: Announcer
    health: HealthWatch
    window_key: KeptKey
    page: StatusPage


@dataclass(frozen=True)
class Prepared:
    """A configuration with everything that it needs."""

    config: Config
    sealer: Sealer | None
    gate: Gate
    address: BrokerAddress
    plan: Plan


def prepare(parts: Parts, config: Config) -> Prepared:
    """Read the key files that *config* names and make its new devices; raises ``EdgeError``. Any thread."""
    return Prepared(
        config=config,
        sealer=sealer(config),
        gate=gate(config, parts.window_key.opened),
        address=broker(config),
        plan=parts.devices.plan(config.devices),
    )


async def put_to_use(parts: Parts, new: Prepared) -> Changes:
    """Go by a new configuration from now on; what did not change does not notice."""
    config, kept = new.config, Kept.of(new.config.retention)
    names = [subscriber.name for subscriber in config.subscribers]

    async def between() -> None:
        parts.renderer.renew(new.sealer, kept)
        marks = await asyncio.wrap_future(parts.outbox.renew(names, kept, config.outbox))
        parts.replays.renew(names, marks)
        parts.publisher.renew(new.address, config.mqtt.window)
        parts.blobs.renew(config.blobs, new.address, seals=parts.renderer.seals)
        parts.commands.gate = new.gate

    logs.adjust(config.log.level, as_json=config.log.format == "json")
    changes = await parts.devices.change(new.plan, between)
    parts.health.renew(config.mqtt)
    parts.page.renew(config.page)
    parts.announcer.begin(changes.closed)
    return changes


def sealer(config: Config) -> Sealer | None:
    """Return what seals personal bodies; the library is loaded only when some device needs it."""
    if not any(device.personal for device in config.devices if device.enabled):
        return None
    from edge.sealing.provider import event_sealer  # 0.1 s and 10 MiB, not always needed

    files = [Path(subscriber.key) for subscriber in config.subscribers if subscriber.key]
    lab_key = Path(config.paths.state) / "lab-key.jwk" if config.window.lab else None
    return event_sealer(config.sealing.provider, config.sealing.package, files, lab_key)


def broker(config: Config) -> BrokerAddress:
    """Return where the broker is, and who we are to it."""
    return broker_address(config.mqtt, f"hall-edge-{config.window.hall}-{config.window.window}")

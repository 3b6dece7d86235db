"""What a self-test looks at, in the order of its report."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping

from edge.errors import EdgeError
from edge.selftest.checks.broker import Broker
from edge.selftest.checks.certificates import look_at_certificates
from edge.selftest.checks.clock import look_at_clock
from edge.selftest.checks.config import look_at_config
from edge.selftest.checks.disk import look_at_disk
from edge.selftest.checks.outbox import look_at_outbox
from edge.selftest.checks.plugged import look_at_plugged
from edge.selftest.checks.rules import look_at_rules
from edge.selftest.checks.service import look_at_service
from edge.selftest.checks.subscribers import look_at_subscriber, look_at_subscribers
from edge.selftest.devices import device_checks
from edge.selftest.model import Asker, Check, Level, Part
from edge.selftest.runner import LIMIT_S, Planned
from edge.selftest.scene import Scene

DEVICE_S: Mapping[Level, float] = {"internal": 9.0, "external": 60.0, "interactive": 120.0}
"""So long the checks of one device may take."""


def planned(scene: Scene) -> list[Planned]:
    """Return all that is to be looked at; raises ``EdgeError`` for a device that there is not."""
    devices = [one for one in scene.config.devices if one.enabled]
    names = {one.name for one in devices}
    if missing := [name for name in scene.wanted.devices if name not in names]:
        known = ", ".join(sorted(names)) or "none"
        message = f"there is no device {missing[0][:32]!r} in use here; there are: {known}"
        raise EdgeError(message, code="TST-107", action="name one of them, or none for all")
    wanted = scene.wanted.devices or names
    limit_s = DEVICE_S[scene.wanted.level]
    found = [Planned("device", one.name, _device(scene, one.name), limit_s) for one in devices if one.name in wanted]
    return found if scene.wanted.devices else [*_window(scene), *found]


def _window(scene: Scene) -> list[Planned]:
    broker = Broker(scene)
    return [
        _plain("config", "config", look_at_config, scene),
        _plain("config", "plugged", look_at_plugged, scene),
        _plain("service", "service", look_at_service, scene),
        _plain("service", "rules", look_at_rules, scene),
        _plain("outbox", "outbox", look_at_outbox, scene),
        _plain("disk", "disk", look_at_disk, scene),
        _plain("clock", "clock", look_at_clock, scene),
        _plain("certificate", "certificate", look_at_certificates, scene),
        Planned("broker", "broker", lambda _ask: broker.round_trip()),
        Planned("broker", "rights", lambda _ask: broker.rights()),
        *(Planned("subscriber", one.name, _subscriber(scene, one.name), LIMIT_S) for one in scene.config.subscribers),
        *([] if scene.config.subscribers else [_plain("subscriber", "subscribers", look_at_subscribers, scene)]),
    ]


def _plain(part: Part, name: str, look: Callable[[Scene], AsyncIterator[Check]], scene: Scene) -> Planned:
    return Planned(part, name, lambda _ask: look(scene))


def _subscriber(scene: Scene, name: str) -> Callable[[Asker], AsyncIterator[Check]]:
    return lambda _ask: look_at_subscriber(scene, name)


def _device(scene: Scene, name: str) -> Callable[[Asker], AsyncIterator[Check]]:
    async def look(ask: Asker) -> AsyncIterator[Check]:
        if name not in scene.devices:
            seen = "not looked at: no device is opened while nothing can be stored"
            yield Check(part="device", name=name, code="TST-001", result="skip", seen=seen)
            return
        device, supervisor = scene.devices.configured(name), scene.devices[name]
        async for check in device_checks(device, supervisor, scene.wanted.level, ask):
            yield check

    return look

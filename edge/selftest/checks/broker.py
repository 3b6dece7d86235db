"""The broker: a message there and back, and what the window may publish and subscribe to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import msgspec

from edge import __version__
from edge.delivery.link_errors import FIRST_FAILURE, NO_SUBSCRIBERS, TransportError
from edge.delivery.topics import Topics
from edge.errors import EdgeError
from edge.events import EVENTS, WithBlob
from edge.health import stamp
from edge.problems import problem
from edge.reload import in_thread
from edge.renewal import broker
from edge.selftest.model import Check, Result
from edge.selftest.probe import BrokerProbe, Outcome
from edge.selftest.scene import Scene
from edge.wire import WindowStatus

_SOON_DAYS = 30
_BLOB_KINDS = frozenset(event.kind for event in EVENTS if issubclass(event, WithBlob))


class Broker:
    """Looks once, for both checks."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._looking: asyncio.Task[Outcome] | None = None
        self._waiting = 0

    async def round_trip(self) -> AsyncIterator[Check]:
        """Say whether the status that the window publishes comes back."""
        try:
            outcome = await self._outcome()
        except EdgeError as error:  # the files for it
            yield _check("broker", error.code, "fail", error.message, error.action)
            return
        for check in self._of_connection(outcome):
            yield check

    async def rights(self) -> AsyncIterator[Check]:
        """Say what the broker refuses."""
        try:
            outcome: Outcome | None = await self._outcome()
        except EdgeError:  # said already
            outcome = None
        if outcome is None or outcome.error is not None:
            yield _check("rights", "MQT-002", "skip", "not looked at: there is no connection to the broker")
            return
        troubles = [*self._refused(outcome), *self._unheard(outcome)]
        for check in troubles:
            yield check
        if not troubles:
            seen = f"may publish on {len(outcome.published)} branches, {len(outcome.granted)} subscriptions are granted"
            yield _check("rights", "MQT-001", "ok", seen)

    async def _outcome(self) -> Outcome:
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(), name="selftest-probe")
        self._waiting += 1
        try:
            return await asyncio.shield(self._looking)
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._looking.cancel()

    async def _look(self) -> Outcome:
        scene, window = self._scene, self._scene.config.window
        address = broker(scene.config)
        address = replace(address, client_id=f"{address.client_id}-selftest", session_s=0)
        status = WindowStatus(
            state="offline", epoch=scene.outbox.epoch if scene.outbox else 0, boot="", version=__version__,
            since=stamp(), lab=window.lab,
        )  # fmt: skip
        probe = BrokerProbe(address, Topics(window.hall, window.window), msgspec.json.encode(status), scene.echo)
        try:
            return await in_thread("selftest-broker", probe.run)
        finally:
            probe.cancelled = True

    def _of_connection(self, outcome: Outcome) -> Iterator[Check]:
        """Yield what is to be said of the connections, ours and the daemon's."""
        troubles = [error for error in (outcome.error, *self._of_daemon()) if error is not None]
        yield from (_check("broker", one.code, "fail", one.message, one.action) for one in troubles[:1])
        if troubles:
            return
        figures: dict[str, str | int | float | bool] = {"connect_ms": round(1000 * outcome.connect_s)}
        if outcome.broker_days is not None:
            figures["broker_certificate_days"] = outcome.broker_days
        if outcome.echo_s is None:
            seen = "the window's status is published, and does not come back"
            yield _check("broker", "MQT-151", "fail", seen, "", figures)
            return
        figures["round_trip_ms"] = round(1000 * outcome.echo_s, 1)
        lasting = self._scene.live.publisher.lasting() if self._scene.live else []
        yield from (_check("broker", one.code, "warn", one.message, one.action, figures) for one in lasting)
        if (days := outcome.broker_days) is not None and days < _SOON_DAYS:
            yield _check("broker", "MQT-152", "warn", f"the broker's certificate ends in {days} days", "", figures)
        elif not lasting:
            seen = f"there and back in {1000 * outcome.echo_s:.0f} ms"
            seen += "" if days is None else f", its certificate is good for {days} days"
            yield _check("broker", "MQT-000", "ok", seen, "", figures)

    def _of_daemon(self) -> Iterator[EdgeError | None]:
        """Yield why the daemon's own connection is down."""
        publisher = self._scene.live.publisher if self._scene.live else None
        if publisher is not None and publisher.link == "down":
            unsaid = problem("SYS-140")
            yield publisher.problem or TransportError(unsaid.message, code=unsaid.code, action=unsaid.action)

    def _refused(self, outcome: Outcome) -> Iterator[Check]:
        """Yield what the window must be allowed and is not."""
        for branch, reason in outcome.published.items():
            if reason >= FIRST_FAILURE:
                seen = f"the broker refuses what the window publishes on {branch} (0x{reason:02x})"
                yield _check("rights", "MQT-150", self._gravity(branch), seen)
        for topic, reason in outcome.granted.items():
            if reason >= FIRST_FAILURE:
                branch = topic.split("/")[4]
                seen = f"the broker refuses a subscription: {branch} (0x{reason:02x})"
                yield _check("rights", "MQT-113", "fail", seen)

    def _gravity(self, branch: str) -> Result:
        """Return how bad it is that *branch* is refused: some windows have nothing for some branches."""
        devices = [one for one in self._scene.config.devices if one.enabled]
        unused = {
            "sealed": not any(one.personal for one in devices),
            "blob": not any(one.driver_type.kind in _BLOB_KINDS for one in devices),
            "replayed": not self._scene.config.subscribers,
        }
        return "warn" if unused.get(branch) else "fail"

    def _unheard(self, outcome: Outcome) -> Iterator[Check]:
        """Yield that nobody is subscribed to the window's events."""
        if outcome.published.get("event") == NO_SUBSCRIBERS:
            told = problem("SYS-141", what="this window's events")
            yield _check("rights", told.code, "warn", told.message, told.action)


def _check(
    name: str, code: str, result: Result, seen: str, action: str = "",
    details: dict[str, str | int | float | bool] | None = None,
) -> Check:  # fmt: skip
    return Check(part="broker", name=name, code=code, result=result, seen=seen, action=action, details=details or {})

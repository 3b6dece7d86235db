"""What may be asked of the running daemon: on its control socket, and by the back office of the window itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge.config import Config
from edge.config import load as load_file
from edge.control import Control
from edge.delivery.publisher import Publisher
from edge.delivery.transport import Message
from edge.devices import Devices
from edge.errors import StoreError
from edge.probes import PROBE_TYPE
from edge.recorder import Recorder
from edge.reload import Reloader
from edge.renewal import Parts, Prepared
from edge.selftest.back_office import SelfTestCommand
from edge.selftest.live import SelfTests
from edge.selftest.scene import Live, Scene, Wanted


def control(parts: Parts, reloader: Reloader[Prepared], load: Callable[[], Config]) -> Control:
    """Return the control socket of a daemon that has a store, and let the back office ask for a self-test, too."""
    tests = self_tests(parts, reloader, load)
    parts.commands.window_jobs = {"selftest": SelfTestCommand(tests, parts.outbox.commit_soon)}
    path = Path(reloader.current.paths.run) / "control.sock"
    streams = {"record": Recorder(parts.devices).answer, "selftest": tests.stream}
    return Control(path, parts.announcer.snapshot, reloader.answer, streams)


def storeless_tests(
    config: Config, publisher: Publisher, status: Callable[[], Message], error: Callable[[], StoreError]
) -> SelfTests:
    """Return what tests the window of a daemon that has no store, because of *error*."""

    def scene(wanted: Wanted) -> Scene:
        return Scene(
            wanted=wanted, config=config, file=config.file, load=lambda: load_file(config.file),
            devices=Devices(lambda *_event: ()), outbox=None, no_store=error(), daemon=True,
            echo=lambda mark: _echo(publisher, status, mark),
        )  # fmt: skip

    return SelfTests(scene)


def self_tests(parts: Parts, reloader: Reloader[Prepared], load: Callable[[], Config]) -> SelfTests:
    """Return what tests the running daemon's window."""
    publisher, announcer = parts.publisher, parts.announcer
    live = Live(publisher, parts.replays, parts.blobs, announcer, parts.health)

    def scene(wanted: Wanted) -> Scene:
        config = reloader.current
        return Scene(
            wanted=wanted, config=config, file=config.file, load=load, devices=parts.devices, outbox=parts.outbox,
            live=live, daemon=True, echo=lambda mark: _echo(publisher, lambda: announcer.status("online"), mark),
        )  # fmt: skip

    return SelfTests(scene)


def _echo(publisher: Publisher, status: Callable[[], Message], mark: str) -> None:
    """Publish the status so that it comes back: not kept, told apart by its *mark*, and no news to anybody."""
    if publisher.link == "up":
        now, user = status(), (("probe", mark),)
        publisher.send(Message(now.topic, now.payload, content_type=PROBE_TYPE, user=user, expiry_s=1))

"""A whole window for tests: real daemon process, real broker, simulated devices, and everything that crosses.

After each use all of it is searched for the personal data that was planted: broker traffic, logs, state files,
command lines.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.tools.ask import answers
from simulators.bench import Bench
from tests.support import canaries, contract
from tests.support.broker import Broker
from tests.support.wait import wait_until

HALL, WINDOW = "test-hall", "w01"
BASE = f"hall/v1/{HALL}/{WINDOW}"
START_S = 15.0
READY_S = 10.0


class Wiretap:
    """Hears everything on the broker, as another tenant would, and keeps it in order."""

    def __init__(self, port: int) -> None:
        self.messages: list[tuple[str, bytes, bool]] = []
        self.arrived: list[float] = []
        """When each came, on the monotonic clock."""
        self._heard = threading.Condition()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        wait_until(self._client.is_connected, what="the wiretap hears")

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        with self._heard:
            self.arrived.append(time.monotonic())
            self.messages.append((message.topic, bytes(message.payload), message.retain))
            self._heard.notify_all()

    def on(self, suffix: str) -> list[dict[str, Any]]:
        """Return the JSON bodies heard so far on ``{base}/{suffix}``."""
        return [
            json.loads(payload) for topic, payload, _ in list(self.messages) if topic == f"{BASE}/{suffix}" and payload
        ]

    def events(self, type_: str | None = None) -> list[dict[str, Any]]:
        """Return the public views heard so far, in order of arrival, of one type (``rated``) or all."""
        prefix = f"{BASE}/event/"
        return [
            json.loads(payload)
            for topic, payload, _ in list(self.messages)
            if topic.startswith(prefix) and type_ in (None, topic.rpartition("/")[2])
        ]

    def wait_events(self, type_: str, count: int = 1, deadline_s: float = 10.0) -> list[dict[str, Any]]:
        """Wait for *count* events of one type and return them."""
        return wait_until(
            lambda: found if len(found := self.events(type_)) >= count else None, deadline_s, f"{count} × {type_}"
        )

    def publish(self, suffix: str, body: object, properties: Properties | None = None, *, retain: bool = False) -> None:
        """Publish *body* (bytes, or JSON) below the window's branch."""
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._client.publish(f"{BASE}/{suffix}", payload, qos=1, retain=retain, properties=properties)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client.on_message = self._client.on_connect = None
        del self._client  # paho closes its socket pair only when it is collected


class Requested:
    """One request on its way. *body* replaces the whole payload, *seal* seals it, *deadline_s* counts from now."""

    def __init__(  # noqa: PLR0913  # keyword-only, each with a default
        self, tap: Wiretap, device: str, command: str, params: object, *, deadline_s: float = 30.0,
        request_id: str | None = None, case: str | None = None, body: bytes | None = None, retain: bool = False,
        reply_to: str | None = None, seal: Callable[[bytes], bytes] | None = None,
    ) -> None:  # fmt: skip
        self.request_id = request_id or str(uuid.uuid4())
        self._tap = tap
        self._heard_before = len(tap.messages)
        deadline = (datetime.now(UTC) + timedelta(seconds=deadline_s)).isoformat()
        request = {"request_id": self.request_id, "deadline": deadline, "params": params}
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic = reply_to or f"{BASE}/reply/test/{self.request_id}"
        properties.CorrelationData = self.request_id.encode()
        properties.ContentType = "application/jose+json" if seal else "application/json"
        payload = json.dumps(request | ({"case": case} if case else {})).encode() if body is None else body
        payload = seal(payload) if seal else payload
        tap.publish(f"request/{device}/{command}", payload, properties, retain=retain)

    def replies(self) -> list[dict[str, Any]]:
        """Return the replies heard since this request was sent, in order."""
        topic = f"{BASE}/reply/test/{self.request_id}"
        heard = self._tap.messages[self._heard_before :]
        return [json.loads(payload) for at, payload, _ in heard if at == topic]

    def wait(self, reply: str, deadline_s: float = 10.0) -> dict[str, Any]:
        """Wait for the first reply of one sort: ``ack``, ``progress`` or ``completion``."""

        def first() -> dict[str, Any] | None:
            return next((body for body in self.replies() if body["reply"] == reply), None)

        return wait_until(first, deadline_s, f"a reply {reply}")

    def completion(self, deadline_s: float = 10.0) -> dict[str, Any]:
        return self.wait("completion", deadline_s)


class WindowUnderTest:
    """One window in *folder*: write its configuration with :meth:`device`, then :meth:`start`."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        self.folder = folder
        self.broker = broker
        self.bench = Bench(folder / "ports")
        self.tap = Wiretap(broker.port)
        self.process: subprocess.Popen[bytes] | None = None
        self.planted: list[str] = []
        self.lab = True
        self.extra = ""
        self.allow_drivers = "[]"
        self.program = [sys.executable, "-m", "edge"]
        self._devices: list[str] = []

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.broker.port}"

    @property
    def config_path(self) -> Path:
        return self.folder / "hall-edge.toml"

    @property
    def log_text(self) -> str:
        path = self.folder / "daemon.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def device(self, name: str, driver: str, lines: str = "", *, model: str | None = None, **options: object) -> None:
        """Add a device to the configuration, and its simulator (*model*, else the driver's namesake)."""
        self.bench.add(name, model or driver, **options)
        self.foreign(name, driver, self.bench.address(name), lines)

    def foreign(self, name: str, driver: str, address: str, lines: str = "") -> None:
        """Add a device that has no simulator of ours."""
        self._devices.append(f'[[device]]\nname = "{name}"\ndriver = "{driver}"\naddress = "{address}"\n{lines}\n')

    def do(self, line: str) -> None:
        """Do at a device what a person does; personal data that this plants is searched for at the end."""
        self.planted += canaries.of_line(line)
        self.bench.do(line)

    def write_config(self) -> Path:
        for name in ("state", "run"):
            (self.folder / name).mkdir(exist_ok=True, mode=0o700)
        parts = [
            f'[window]\nhall = "{HALL}"\nwindow = "{WINDOW}"\nlab = {str(self.lab).lower()}',
            f"allow_drivers = {self.allow_drivers}",
            f'[paths]\nstate = "{self.folder}/state"\nrun = "{self.folder}/run"\n',
            f'[mqtt]\nurl = "{self.url}"\n',
            '[log]\nlevel = "traffic"\n',
            self.extra,
            *self._devices,
        ]
        self.config_path.write_text("\n".join(parts), encoding="utf-8")
        return self.config_path

    def start(self, *, ready: bool = True) -> Self:
        """Start the daemon; with *ready* wait until every device is."""
        config = self.write_config()
        with (self.folder / "daemon.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.program, "run", "-c", str(config)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self, deadline_s: float = START_S) -> None:
        def all_ready() -> bool:
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"the daemon ended with {self.process.returncode}:\n{self.log_text[-3000:]}")
            states = self.states()
            return bool(states) and all(state == "ready" for state in states.values())

        wait_until(all_ready, deadline_s, f"all devices are ready: {self.states()}")

    def states(self) -> dict[str, str]:
        """Return the devices' states by the control socket; empty while nobody answers."""
        status = self.status()
        return {name: device["state"] for name, device in status["devices"].items()} if status else {}

    def status(self) -> dict[str, Any]:
        try:
            return next(answers(str(self.folder / "run"), "status"))
        except Exception:  # noqa: BLE001  # not there yet, or gone in the middle of an answer
            return {}

    def wait_state(self, device: str, state: str, deadline_s: float = READY_S) -> dict[str, Any]:
        """Wait until the retained status of *device* says *state*; return it."""

        def last() -> dict[str, Any] | None:
            heard = self.tap.on(f"device/{device}/status")
            return heard[-1] if heard and heard[-1]["state"] == state else None

        return wait_until(last, deadline_s, f"{device} is {state}")

    def kill(self) -> None:
        """End the daemon as a power cut of the process would: SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> int:
        """End the daemon in order; return its exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)

    def request(self, device: str, command: str, params: object = None, **more: Any) -> Requested:
        """Send a request, as a back office does; see :class:`Requested` for what *more* can say."""
        return Requested(self.tap, device, command, params or {}, **more)

    def close(self) -> None:
        """Stop everything, and search all of it for personal data."""
        places = self._command_line()
        self.stop()
        self.tap.close()
        self.bench.close()
        assert not self.leaks(places)
        assert not contract.breaks(self._ours())

    def _ours(self) -> list[tuple[str, bytes, bool]]:
        """Return what the daemon sent: what a test itself publishes may be as wrong as it likes."""
        theirs = ("request", "ack", "replay", "nothing")
        own = [message for message in self.tap.messages if message[0].startswith(f"{BASE}/")]
        return [message for message in own if message[0].split("/")[4] not in theirs]

    def _command_line(self) -> list[tuple[str, bytes]]:
        if self.process is None or self.process.poll() is not None:
            return []
        return [("the command line", Path(f"/proc/{self.process.pid}/cmdline").read_bytes())]

    def leaks(self, more: Sequence[tuple[str, bytes]] = ()) -> list[str]:
        """Return where planted personal data stands that nobody but the back office may see."""
        texts = list(dict.fromkeys(self.planted))
        return canaries.found(texts, [*more, *self._places()])

    def _places(self) -> Iterator[tuple[str, bytes]]:
        yield "a topic", b"\n".join(topic.encode() for topic, _, _ in self.tap.messages)
        yield "broker traffic", b"\n".join(payload for _, payload, _ in self.tap.messages)
        for path in self.folder.rglob("*"):
            if path.is_file() and path.parent.name != "ports":
                yield str(path.relative_to(self.folder)), path.read_bytes()


@pytest.fixture
def short_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A temporary folder with a short name: a unix socket's path has at most 107 characters."""
    return tmp_path_factory.mktemp("w")


@pytest.fixture
def window(short_path: Path, broker: Broker) -> Iterator[WindowUnderTest]:
    """A window with a broker of its own; configured and started by the test."""
    under_test = WindowUnderTest(short_path, broker)
    try:
        yield under_test
    finally:
        under_test.close()

"""Whatever is published on a window's topics: the subscriber takes it or refuses it, and goes on with what is true."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.sealing.jwe import new_key
from edge.subscriber.intake import Intake
from edge.subscriber.keys import opener_of
from edge.subscriber.marks import Mark
from edge.subscriber.model import Limits
from edge.subscriber.position import PositionFile
from edge.subscriber.ranges import Ranges
from tests.faults.disk.forks import Fork, Pipe
from tests.subscriber.fake_window import EVENTS, SEALED, FakeWindow

FORGERIES = 4_000
VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    2**31,
    2**64,
    "",
    "-1",
    "9" * 20,
    "9" * 21,
    "x" * 5000,
    [],
    {},
    [[]],
    "NaN",
    "\ud800",
]
REPLAYED = "replayed/case-system"


def message(window: FakeWindow, rest: str, payload: bytes, *, retain: bool = False, **more: Any) -> aiomqtt.Message:
    properties = Properties(PacketTypes.PUBLISH)
    for name, value in more.items():
        setattr(properties, name, value)
    return aiomqtt.Message(f"{window.root}/{rest}", payload, 1, retain, 1, properties)


def true_ones(window: FakeWindow) -> list[aiomqtt.Message]:
    """Return one good message of every kind."""
    health = {"epoch": 1, "head_seq": "3", "outbox": {"depth": 3}, "subscribers": {"case-system": {"upto_seq": "0"}}}
    status = {"state": "online", "epoch": 1, "boot": "b", "version": "0", "since": "2026-11-22T08:00:00+00:00"}
    found = [
        message(window, "health", json.dumps(health).encode()),
        message(window, "status", json.dumps(status).encode(), retain=True),
        message(window, "device/pad-1/status", json.dumps({"state": "ready", "epoch": 1}).encode(), retain=True),
    ]
    for row in window.rows.values():
        about = [("replayed", "true"), ("topic", f"{window.root}/event/{row.place}")]
        found.append(message(window, f"event/{row.place}", row.public, ContentType=EVENTS))
        found.append(message(window, REPLAYED, row.public, ContentType=EVENTS, UserProperty=about))
        if row.sealed:
            found.append(message(window, f"sealed/{row.place}", row.sealed, ContentType=SEALED))
    return found


def forged(true: aiomqtt.Message, rng: random.Random) -> aiomqtt.Message:
    """Return a copy of *true* with something else in it."""
    payload = bytearray(true.payload)
    way = rng.randrange(5)
    if way == 0:
        for _ in range(rng.randint(1, 4)):
            payload[rng.randrange(len(payload))] = rng.randrange(256)
    elif way == 1:
        del payload[rng.randrange(len(payload)) :]
    elif way == 2:
        payload = bytearray(rng.randbytes(rng.randrange(200)))
    elif way == 3:
        payload = bytearray(b"[" * rng.choice([1, 1000, 100_000]))
    else:
        body = json.loads(payload)
        body[rng.choice([*body, "new"])] = rng.choice(VALUES)
        payload = bytearray(json.dumps(body).encode())
    topic = true.topic.value if rng.random() < 0.8 else f"{true.topic.value}/{rng.choice(['', 'x', '..', 'a' * 300])}"
    return aiomqtt.Message(topic, bytes(payload), 1, rng.random() < 0.1, 1, true.properties)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_forged_and_damaged_messages_never_stop_it(seed: int) -> None:
    rng, key = random.Random(seed), new_key()
    window = FakeWindow([key], hall="hall")
    data = {"session": "0193f0a0-0000-7000-8000-000000000000", "level": 5, "dwell_ms": 900}
    window.accept("pad-1", "evaluation-pad.rated", data)
    window.read_card()
    window.accept("pad-1", "evaluation-pad.rated", data)
    good = true_ones(window)
    intake = Intake(("hall", "+"), opener_of([key]), Limits(max_buffered=50), lambda _notice: None)
    intake.begin("case-system", {window.full_name: Mark(1, 0)})
    now = 0.0
    for _ in range(FORGERIES):
        intake.take(forged(rng.choice(good), rng))
        now += 0.01
        sequence = intake.sequence(window.full_name)
        sequence.tick(now)
        asked = sequence.questions(now)
        assert sum(last - first + 1 for first, last in asked) <= Limits().ask_chunk
        sequence.acknowledgement(sequence.mark, asked)
        intake.collect(window.full_name)
        assert len(sequence.gaps) < 100
    for one in good:
        intake.take(one)
    assert intake.refused > FORGERIES / 4
    assert {item.seq for item in intake.ready} >= {1, 2, 3}


def test_the_position_survives_kill_9(tmp_path: Path) -> None:
    """Killed at any moment it is one that was written, and never an older one than was known to be safe."""
    file, rng, safe = PositionFile(tmp_path / "position.json", "case-system"), random.Random(1), 0
    for _ in range(60):

        def work(pipe: Pipe) -> None:
            upto = file.read().get("h/w", Mark(1, 0)).upto
            while True:
                upto += 1
                file.write({"h/w": Mark(1, upto, Ranges([(1, 1), (3, upto // 2)]), upto_id="x" * (upto % 50))})
                pipe.mark("safe", upto=upto)

        child = Fork(work)
        child.wait_marks(rng.randrange(4))
        child.go_on(rng.random() * 0.003)
        status, marks = child.kill()
        assert status == -signal.SIGKILL
        safe = max([safe, *(mark["upto"] for mark in marks)])
        found = file.read().get("h/w", Mark(1, 0)).upto
        assert safe <= found <= safe + 1
        safe = found
    assert safe > 60
    assert {path.name for path in tmp_path.iterdir()} <= {"position.json", "position.json.new"}

"""Run in a network namespace of its own: pull the cable under a connected window, and say how soon it is noticed."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path

from simulators.mqtt_broker import MqttBroker
from tests.core.sender_rig import sending
from tests.support.wait import wait_until


def cable(state: str) -> None:
    subprocess.run(["ip", "link", "set", "lo", state], check=True)  # noqa: S607  # where it is depends on the system


def main() -> None:
    cable("up")
    with tempfile.TemporaryDirectory() as folder, MqttBroker() as broker, sending(Path(folder), broker.port) as sender:
        sender.commit("1")
        sender.wait_brokered(1)
        cable("down")
        began = time.monotonic()
        sender.commit("2")
        wait_until(lambda: sender.publisher.link == "down", 30, "it is noticed")
        noticed_s = time.monotonic() - began
        problem = sender.publisher.problem
        sender.commit("3")
        wait_until(lambda: sender.publisher._delay_s > 1, 20, "a few tries without a network")  # noqa: SLF001
        cable("up")
        began = time.monotonic()
        sender.wait_brokered(3, 20)
        got = list(
            dict.fromkeys(message.payload.decode() for message in broker.published if "/event/" in message.topic)
        )
        code = problem.code if problem else None
        print(json.dumps({"noticed_s": noticed_s, "back_s": time.monotonic() - began, "code": code, "got": got}))  # noqa: T201


if __name__ == "__main__":
    main()

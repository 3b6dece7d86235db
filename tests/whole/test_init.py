"""A new window, from nothing to its first event: ``init`` writes it, ``check`` takes it, the daemon runs with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge.tools.ask import answers
from simulators.bench import Bench
from tests.support.broker import Broker
from tests.support.wait import wait_until
from tests.support.wiretap import HALL, WINDOW, Wiretap

HALL_EDGE = [sys.executable, "-m", "edge"]
START_S = 20.0
STOP_S = 10.0


def states(run: Path) -> dict[str, str]:
    """Return the devices' states; empty while the daemon does not answer."""
    try:
        status = next(answers(str(run), "status"))
    except Exception:  # noqa: BLE001  # not there yet
        return {}
    return {name: device["state"] for name, device in status["devices"].items()}


@pytest.mark.slow
def test_from_nothing_to_the_first_event(short_path: Path, broker: Broker) -> None:
    config, run = short_path / "hall-edge.toml", short_path / "run"
    environ = {**os.environ, "STATE_DIRECTORY": f"{short_path}/state", "RUNTIME_DIRECTORY": str(run)}
    run.mkdir(mode=0o700)
    bench = Bench(short_path / "ports")
    heard = Wiretap(broker.port)
    daemon: subprocess.Popen[bytes] | None = None
    try:
        bench.add("ticket-1", "code_serial")
        bench.add("pad-1", "pad_serial", profile="stx_len16")
        init = ["init", "--config", str(config), "--hall", HALL, "--window", WINDOW, "--lab", "--yes",
                "--broker", f"mqtt://127.0.0.1:{broker.port}", "--subscriber", "case-system", "--device",
                f"name=ticket-1 driver=code_serial address={bench.address('ticket-1')} content=public", "--device",
                f"name=pad-1 driver=pad_serial address={bench.address('pad-1')} profile=stx_len16"]  # fmt: skip
        written = subprocess.run([*HALL_EDGE, *init], capture_output=True, text=True, timeout=60, check=False)
        assert written.returncode == 0, written.stderr
        assert f"hall-edge run --config {config}" in written.stdout
        check = [*HALL_EDGE, "check", "--config", str(config)]
        checked = subprocess.run(check, capture_output=True, text=True, timeout=60, check=False)
        assert checked.returncode == 0, checked.stderr
        assert "window test-hall/w01, 2 devices, 1 subscribers" in checked.stdout
        with (short_path / "log").open("wb") as log:
            daemon = subprocess.Popen(
                [*HALL_EDGE, "run", "--config", str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=environ,
            )  # fmt: skip
        wait_until(lambda: states(run) == {"ticket-1": "ready", "pad-1": "ready"}, START_S, "both devices are ready")
        bench.do("ticket-1 scan A017")
        wait_until(lambda: any(b"A017" in payload for _, payload, _ in heard.messages), START_S, "the ticket is heard")
    finally:
        if daemon is not None:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(STOP_S)
        bench.close()
        heard.close()

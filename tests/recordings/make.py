"""Make the recordings anew: the real drivers against the simulators, over pseudo-terminals, in real time.

    .venv/bin/python -m tests.recordings.make [DRIVER/NAME ...]

For each script ``DRIVER/NAME.toml`` it writes ``NAME.rec`` and ``NAME.golden.json``, and refuses a recording that
does not replay to the same result. The people in it do not exist (area code 000000, country UTO).
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.links import Line, Link
from edge.links.address import Address, parse_address
from edge.links.replay import ReplayLink
from edge.port import DevicePort
from simulators.bench import Bench
from tests.recordings.recorder import Recorder
from tests.recordings.script import DIGEST_KEY, Nobody, Play, make_driver, read_script, recordings

DEVICE = "device"


class Hands:
    """Do at the simulator what the script says."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._thread: threading.Thread | None = None

    def do(self, line: str) -> None:
        self._bench.do(f"{DEVICE} {line}")

    def meanwhile(self, lines: str) -> None:
        """Begin the *lines*, separated by semicolons, beside the next step."""
        text = [line.strip() for line in lines.split(";")]
        scenario = "\n".join(line if line.startswith("wait ") else f"{DEVICE} {line}" for line in text)
        self._thread = threading.Thread(target=self._bench.run, args=(scenario,))
        self._thread.start()

    def join(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()


class ReplayPort(DevicePort):
    """A port that shows its link."""

    link: ReplayLink

    def open(self, line: Line | None = None) -> Link:
        link = super().open(line)
        assert isinstance(link, ReplayLink)
        self.link = link
        return link


def record(path: Path) -> list[dict[str, Any]]:
    """Write the recording for the script in *path*; return what the driver made of it."""
    script = read_script(path)
    with tempfile.TemporaryDirectory() as folder, Bench(folder) as bench:
        bench.add(DEVICE, path.parent.name, **script.simulator)
        recorder = Recorder(DevicePort(DEVICE, parse_address(bench.address(DEVICE)), DIGEST_KEY))
        driver = make_driver(path, recorder)
        try:
            seen = Play(driver, Hands(bench)).run(script.steps)
        finally:
            driver.close()
    recorder.write(path.with_suffix(".rec"), path.parent.name)
    return seen


def replayed(path: Path, recording: Path, **options: int) -> Play:
    """Let the driver of the script in *path* play *recording*; what is left over of it is the last thing seen."""
    address = Address("replay", str(recording), {name: str(value) for name, value in options.items()})
    port = ReplayPort(DEVICE, address, DIGEST_KEY)
    driver = make_driver(path, port)
    play = Play(driver, Nobody())
    try:
        play.run(read_script(path).steps)
        if not port.link.complete:
            play.seen.append({"step": "the recording was not used up"})
        return play
    finally:
        driver.close()


def main(wanted: Sequence[str]) -> int:
    """Make the named recordings, or all; return 1 when one does not replay."""
    failed = 0
    for path in recordings():
        name = f"{path.parent.name}/{path.stem}"
        if wanted and name not in wanted:
            continue
        seen = record(path)
        golden = json.dumps(seen, ensure_ascii=False, indent=1)
        path.with_suffix(".golden.json").write_text(f"{golden}\n", encoding="utf-8")
        same = json.dumps(replayed(path, path.with_suffix(".rec")).seen, ensure_ascii=False, indent=1) == golden
        failed += not same
        sys.stdout.write(f"{name}: {'ok' if same else 'does not replay to the same result'}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What is built: the same bytes anywhere, without lintian's errors; and the wheel. Asked for when the rest is done."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from edge import __version__
from tests.package.beside import Beside
from tests.package.made import Made
from tests.package.programs import run


def test_the_wheel_is_complete(made: Made, tmp_path: Path) -> None:
    """Its dependencies are this environment's; what is imported is the wheel's, from where it was unpacked."""
    target = tmp_path / "wheel"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", target, made.wheel],
        check=True,
    )
    environment = {**os.environ, "PYTHONPATH": str(target)}

    def hall_edge(*arguments: str) -> str:
        command = [sys.executable, "-P", str(target / "bin/hall-edge"), *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    where = "import drivers, edge, simulators; print(*(each.__file__ for each in (drivers, edge, simulators)))"
    found = subprocess.run(
        [sys.executable, "-P", "-c", where], cwd=tmp_path, env=environment, check=True, capture_output=True
    )
    assert [Path(path).parents[1] for path in found.stdout.decode().split()] == [target] * 3
    assert hall_edge("--version") == f"hall-edge {__version__}\n"
    config = tmp_path / "hall-edge.toml"
    config.write_text(
        '[window]\nhall = "h"\nwindow = "w"\n[mqtt]\nurl = "mqtt://127.0.0.1:1883"\n[[device]]\nname = "pad-1"\n'
        'driver = "pad_serial"\naddress = "serial:///dev/ttyUSB0"\nprofile = "addressable"\n'
    )
    assert "valid" in hall_edge("check", "--lang", "en", "--config", str(config))
    assert "with 7 simulated devices; broker: mosquitto" in hall_edge(
        "demo", "--visits", "1", "--pause", "0", "--pictures", str(tmp_path / "pictures")
    )


def test_two_builds_are_the_same_bytes(made: Made, beside: Beside) -> None:
    """The other one was made later, in another folder, with another mask, language and time zone."""
    first, second = made.deb, beside.second_build()
    differ = {*_contents(first)} ^ {*_contents(second)}
    assert not differ, "or the sources were edited between the builds"
    assert first.read_bytes() == second.read_bytes(), "the same files, packed in another way"


def _contents(deb: Path) -> list[str]:
    """Return the files of a package: their checksums, their modes and times."""
    listed = subprocess.run([*shlex.split("dpkg-deb --contents"), deb], check=True, capture_output=True, text=True)
    with TemporaryDirectory() as folder:
        run("dpkg-deb", "--control", deb, folder)
        return listed.stdout.splitlines() + (Path(folder) / "md5sums").read_text(encoding="utf-8").splitlines()


def test_lintian_finds_no_error(beside: Beside) -> None:
    code, said = beside.lintian()
    assert not [line for line in said.splitlines() if line.startswith("E:")], said
    assert code == 0, said

"""A diagnostics file of a window that works, of one that does not, and of one whose log says too much."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import canaries
from tests.support.broker import Broker
from tests.support.window import WindowUnderTest

CARD = "resident seed=31 rare=0"
PURPOSE = "correct-horse-battery"
PHONE = "13800138000"


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WindowUnderTest]:
    with Broker(tmp_path_factory.mktemp("broker")) as broker:
        under_test = WindowUnderTest(tmp_path_factory.mktemp("w"), broker)
        under_test.device("id-1", "idcard_sdt", f'read = "full"\npurpose = "{PURPOSE}"')
        try:
            yield under_test.start()
        finally:
            under_test.close()


def bundle(window: WindowUnderTest, file: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Make a bundle of *window* in *file*."""
    places = ["--config", str(window.config_path), "--run", str(window.folder / "run")]
    command = [sys.executable, "-m", "edge", "bundle", "-o", str(file), "--lang", "en", *places]
    return subprocess.run(
        [*command, *more], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )


def contents(file: Path) -> dict[str, bytes]:
    with tarfile.open(file) as tar:
        return {Path(one.name).name: read.read() for one in tar if (read := tar.extractfile(one))}


@pytest.mark.slow
def test_a_window_at_work_is_described_without_its_people(window: WindowUnderTest, tmp_path: Path) -> None:
    window.do(f"id-1 insert {CARD}")
    window.tap.wait_events("read", 1)
    file = tmp_path / "b.tar.gz"
    done = bundle(window, file, "--yes", "--log", str(window.folder / "daemon.log"))
    assert done.returncode == 0, done.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    files = contents(file)
    assert {"config.toml", "status.json", "selftest.json", "log.txt", "machine.json", "versions.json"} <= files.keys()
    listed = json.loads(files.pop("manifest.json"))
    assert {name: one["sha256"] for name, one in listed["files"].items()} == {
        name: hashlib.sha256(data).hexdigest() for name, data in files.items()
    }
    assert all(name in done.stdout for name in files)
    status = json.loads(files["status.json"])
    assert status["devices"]["id-1"]["state"] == "ready"
    assert json.loads(files["selftest.json"])["checks"]
    people = canaries.of_line(f"id-1 insert {CARD}")
    assert not canaries.found([*people, PURPOSE], files.items())


def test_nobody_is_taken_to_agree(window: WindowUnderTest, tmp_path: Path) -> None:
    done = bundle(window, tmp_path / "b.tar.gz", "--without", "selftest.json", "--without", "devices.json")
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert "status.json" in done.stdout
    assert not list(tmp_path.iterdir())


def test_what_must_not_leave_is_refused_and_not_repeated(window: WindowUnderTest, tmp_path: Path) -> None:
    log = tmp_path / "own.log"
    log.write_text(f"all is well\ncall {PHONE}\n", encoding="utf-8")
    slow = ("selftest.json", "devices.json", "units.txt")
    without = [word for name in slow for word in ("--without", name)]
    done = bundle(window, tmp_path / "b.tar.gz", "--yes", "--log", str(log), *without)
    assert done.returncode == 1
    assert "BUN-101" in done.stderr
    assert "log.txt, line 2, holds a telephone number" in done.stderr
    assert PHONE not in done.stderr + done.stdout
    assert [one.name for one in tmp_path.iterdir()] == ["own.log"]


def test_it_tells_what_it_lacks_when_nothing_runs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge", "bundle", "-o", str(tmp_path / "b.tar.gz"), "--yes", "--lang", "en"]
    places = ["--config", str(tmp_path / "none.toml"), "--run", str(tmp_path)]
    done = subprocess.run([*command, *places], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    unread = json.loads(contents(tmp_path / "b.tar.gz")["manifest.json"])["unread"]
    assert unread["config.toml"] == "No such file or directory"
    assert unread["status.json"].startswith("SYS-103")
    assert "could not be read" in done.stdout

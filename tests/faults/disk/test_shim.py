"""The bench itself: its log holds everything that changes the folder, and its failures are real."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.disk.image import EVERYTHING, NOTHING, SECTOR, Disk, Survival, taken
from tests.faults.disk.journal import Record, records
from tests.faults.disk.shim import child, done

UNSEEN = """
import mmap, os, sys
path = sys.argv[1]
folder = os.open(os.path.dirname(path), os.O_RDONLY)
handle = os.open(path, os.O_CREAT | os.O_RDWR)
os.write(handle, b"x")
"""


def worked(library: Path, folder: Path, seeds: list[int], *, steps: int, lax: str = "no", checkpoint: int = 20) -> None:
    """Let the workload run in ``folder/{seed}``."""
    with child(library, "workload", folder, steps, checkpoint, lax, *seeds) as process:
        done(process)


@pytest.mark.slow
def test_the_log_is_all_that_happened_to_the_folder(disk_shim: Path, tmp_path: Path) -> None:
    """Replayed to its end it gives the real folder, byte for byte: nothing durable goes past it."""
    seeds = [11, 12, 13]
    worked(disk_shim, tmp_path, seeds, steps=60)
    for seed in seeds:
        state = tmp_path / str(seed) / "state"
        steps = records(tmp_path / str(seed) / "log")
        disk = Disk(state)
        for step in steps:
            disk.do(step)
        assert disk.found(EVERYTHING) == taken(state)
        assert {step.kind for step in steps} >= set("BOWSTURDM")
        assert {"outbox.db", "epoch", "lock", "blobs"} <= disk.found(NOTHING).keys() | {"lock"}


@pytest.mark.parametrize(
    "call",
    [
        "os.writev(handle, [b'x'])",
        "os.posix_fallocate(handle, 0, 10)",
        "os.truncate(path, 10)",
        "os.link(path, path + '2')",
        "os.symlink(path, path + '2')",
        "os.dup(handle)",
        "mmap.mmap(handle, 1)",
        "os.rename(path, '/tmp/elsewhere')",
        "os.open('other', os.O_CREAT | os.O_WRONLY, dir_fd=folder)",
        "os.rename(os.path.basename(path), 'other', src_dir_fd=folder, dst_dir_fd=folder)",
        "os.unlink(os.path.basename(path), dir_fd=folder)",
    ],
)
def test_what_the_log_cannot_tell_ends_the_process(disk_shim: Path, tmp_path: Path, call: str) -> None:
    state = tmp_path / "state"
    state.mkdir()
    watched = {"LD_PRELOAD": str(disk_shim), "DISK_SHIM_FOLDER": str(state), "DISK_SHIM_LOG": str(tmp_path / "log")}
    ended = subprocess.run(
        [sys.executable, "-S", "-c", f"{UNSEEN}{call}", str(state / "file")],
        env=os.environ | watched, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "is not modelled" in ended.stderr
    assert ended.returncode == -signal.SIGABRT


def write(at: int, size: int) -> Record:
    return Record("W", 3, at, bytes([at % 251 + 1]) * size)


def test_what_is_not_synced_may_be_torn_and_what_is_synced_stays(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    name = f"{tmp_path}/file".encode()
    for step in (Record("O", 3, os.O_CREAT, name), write(0, 4096), Record("S", 3, 0, b"")):
        disk.do(step)
    assert disk.found(NOTHING) == {}  # the name is not sure yet
    for step in (Record("O", 4, 0, str(tmp_path).encode()), Record("S", 4, 0, b""), write(700, 5000)):
        disk.do(step)
    assert disk.found(NOTHING) == {"file": b"\1" * 4096}
    rng = random.Random(1)
    found = [disk.found(Survival(0.5, rng))["file"] or b"" for _ in range(200)]
    assert all(data[:700] == b"\1" * 700 for data in found)
    edges = {at for data in found for at in range(701, 4096) if data[at] != data[at - 1]}
    assert edges == set(range(2 * SECTOR, 4096, SECTOR))
    assert {len(data) for data in found} > {4096, 5700}


def test_what_a_failed_sync_was_to_write_is_gone_whatever_a_later_one_says(tmp_path: Path) -> None:
    disk = Disk(tmp_path, {"file": b"old"})
    steps = [Record("O", 3, 0, f"{tmp_path}/file".encode()), write(0, 3), Record("F", 3, 0, b""), write(3, 3)]
    for step in [*steps, Record("S", 3, 0, b"")]:
        disk.do(step)
    assert disk.found(EVERYTHING) == {"file": b"old\4\4\4"}

"""The state folder: one daemon at a time, secrets that are whole or told, names that are kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.errors import AlreadyRunning, StoreError
from edge.state_dir import KeptKey, kept_bytes, known_names, take_lock, write_safely
from tests.core.store_rig import child
from tests.support.wait import wait_until

HOLDER = """
import sys
from pathlib import Path
from edge.state_dir import take_lock
handle = take_lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def free(state: Path) -> bool:
    try:
        os.close(take_lock(state))
    except AlreadyRunning:
        return False
    return True


def test_one_daemon_at_a_time_and_it_is_named(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with child(HOLDER, state) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(AlreadyRunning, match=rf"\(pid {holder.pid}\)"):
            take_lock(state)
        holder.kill()
    wait_until(lambda: free(state), what="the lock dies with its holder")
    assert state.stat().st_mode & 0o777 == 0o700
    assert (state / "lock").read_text(encoding="ascii") == f"{os.getpid()}\n"


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(StoreError, match="STO-104"):
        take_lock(tmp_path / "state")


def test_a_secret_is_made_once_and_for_us_alone(tmp_path: Path) -> None:
    path = tmp_path / "digest-key"
    secret = kept_bytes(path)
    assert len(secret) == 32
    assert kept_bytes(path) == secret
    assert path.stat().st_mode & 0o777 == 0o600
    assert kept_bytes(tmp_path / "other") != secret


@pytest.mark.parametrize("left", [b"", b"x" * 31])
def test_a_secret_that_is_not_whole_is_told_and_not_used(tmp_path: Path, left: bytes) -> None:
    """A digest with an empty key could be undone by anybody."""
    path = tmp_path / "digest-key"
    path.write_bytes(left)
    with pytest.raises(StoreError, match="STO-105"):
        kept_bytes(path)
    assert path.read_bytes() == left


def test_writing_replaces_a_file_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old", encoding="ascii")
    path.with_suffix(".new").write_text("left by a power cut", encoding="ascii")
    with path.open("rb") as before:
        write_safely(path, b"new")
        assert before.read() == b"old"
    assert path.read_bytes() == b"new"
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_names_are_kept_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "devices"
    assert known_names(path, []) == set()
    assert known_names(path, ["pad-1", "gun-1"]) == {"pad-1", "gun-1"}
    assert known_names(path, ["gun-2"]) == {"pad-1", "gun-1", "gun-2"}
    written = path.stat().st_mtime_ns
    assert known_names(path, ["gun-1"]) == {"pad-1", "gun-1", "gun-2"}
    assert path.stat().st_mtime_ns == written


def test_the_windows_key_is_made_when_it_is_needed(tmp_path: Path) -> None:
    key = KeptKey(tmp_path / "window-key.jwk")
    assert not list(tmp_path.iterdir())
    public = key.public
    assert public == KeptKey(tmp_path / "window-key.jwk").public
    assert "d" not in public

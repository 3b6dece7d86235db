"""docs/administrator.md, "Back up and restore": what it says brings a window's configuration to another PC."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.docs.blocks import blocks

DOCUMENT = "docs/administrator.md"


def commands(title: str) -> list[str]:
    (block,) = blocks(DOCUMENT, f'sh title="{title}"')
    return block.splitlines()


def run(command: str, root: Path, folder: Path) -> None:
    """Run *command* with *root* as the PC."""
    assert "-C / " in command
    ours = command.removeprefix("sudo ").replace("-C / ", f"-C {root} ")
    done = subprocess.run(["/bin/sh", "-c", ours], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def old(tmp_path: Path) -> Path:
    root = tmp_path / "old"
    (root / "etc" / "hall-edge").mkdir(parents=True, mode=0o750)
    (root / "etc" / "hall-edge" / "hall-edge.toml").write_text("# a window\n", encoding="utf-8")
    (root / "etc" / "hall-edge" / "window.key").write_bytes(b"secret")
    (root / "etc" / "hall-edge" / "window.key").chmod(0o600)
    (root / "var" / "lib" / "hall-edge").mkdir(parents=True)
    (root / "var" / "lib" / "hall-edge" / "keys.bin").write_bytes(b"never")
    return root


def test_the_configuration_comes_back_and_nothing_of_the_store(old: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir()
    (back_up,) = commands("back up")
    restore, *rest = commands("restore")
    run(back_up, old, tmp_path)
    run(restore, new, tmp_path)
    found = {path.relative_to(new).as_posix(): path for path in new.rglob("*") if path.is_file()}
    assert set(found) == {"etc/hall-edge/hall-edge.toml", "etc/hall-edge/window.key"}
    assert found["etc/hall-edge/window.key"].stat().st_mode & 0o777 == 0o600
    assert rest == ["sudo hall-edge check", "sudo systemctl restart hall-edge"]

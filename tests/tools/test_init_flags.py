"""``hall-edge init`` for scripts: flags, standard input, and what is never done unasked."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edge.tools.init import command, writing
from tests.tools.init_rig import GUN, Pc, init

WINDOW = ("--hall", "songjiang", "--window", "w03")
BROKER = ("--broker", "mqtts://10.20.1.5:8883")
LAB = (*WINDOW, "--broker", "mqtt://127.0.0.1:1883", "--lab", "--yes")
OFFICE = ("--subscriber", "case-system=/etc/hall-edge/case-system.jwk")


def test_everything_as_flags(pc: Pc) -> None:
    pc.receive("ca.pem", "window.pem", "window.key", "case-system.jwk", "other.jwk")
    done = init(pc, *WINDOW, *BROKER, *OFFICE, "--subscriber", "archive=/etc/hall-edge/other.jwk",
                "--subscriber", "counter", "--device", GUN, "--device",
                "name=id-1 driver=idcard_sdt address=usb:0400:c35a read=fields fields=['name','number'] purpose='a b'",
                "--yes")  # fmt: skip
    assert (done.code, done.err) == (0, "")
    config = pc.load()
    assert (config.window.hall, config.window.window) == ("songjiang", "w03")
    assert [(one.name, bool(one.key)) for one in config.subscribers] == [
        ("case-system", True), ("archive", True), ("counter", False)
    ]  # fmt: skip
    assert [one.name for one in config.devices] == ["gun-1", "id-1"]
    assert config.devices[1].settings.purpose == "a b"  # type: ignore[attr-defined]
    assert config.mqtt.ca == f"{pc.etc}/ca.pem"
    assert "Next:" in done.out
    assert "systemctl start hall-edge" in done.out


def test_rights_are_for_the_daemons_group(pc: Pc) -> None:
    (pc.root / "etc/group").write_text("root:x:0:\nhall-edge:x:987:\n", encoding="ascii")
    assert init(pc, *LAB, "--device", GUN).code == 0
    status = pc.config.stat()
    assert stat.S_IMODE(status.st_mode) == 0o640
    if os.geteuid() == 0:
        assert (status.st_uid, status.st_gid) == (0, 987)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to a group")
def test_what_was_copied_as_root_is_given_to_the_daemon(pc: Pc) -> None:
    (pc.root / "etc/group").write_text("hall-edge:x:987:\n", encoding="ascii")
    pc.receive("ca.pem", "case-system.jwk", "window.pem", "window.key")
    (pc.root / "srv").mkdir()
    (pc.root / "srv/other.jwk").write_bytes(pc.files.content["other.jwk"])
    for path in (pc.etc / "ca.pem", pc.etc / "case-system.jwk", pc.root / "srv/other.jwk"):
        path.chmod(0o600)
    done = init(pc, *WINDOW, *BROKER, *OFFICE, "--subscriber", "x=/srv/other.jwk", "--device", GUN, "--yes")
    assert done.code == 0, done.err
    for name in ("ca.pem", "case-system.jwk"):
        status = (pc.etc / name).stat()
        assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o640, 987)
    assert stat.S_IMODE((pc.etc / "window.key").stat().st_mode) == 0o600
    assert "note: the daemon cannot read /srv/other.jwk: chgrp hall-edge /srv/other.jwk" in done.out
    assert done.out.count("note:") == 1
    done = init(pc, "--yes", "--device", "none", "--force", "--no-credentials")
    assert "note: the daemon cannot read /etc/hall-edge/window.key" in done.out


@pytest.mark.slow
def test_without_standard_input_it_is_said(pc: Pc, monkeypatch: pytest.MonkeyPatch) -> None:
    run = [sys.executable, "-m", "edge", "init", "--root", str(pc.root), "--lang", "zh"]
    shell = ["sh", "-c", 'exec "$@" <&-', "sh", *run]
    done = subprocess.run(shell, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 5
    assert "<stdin>: 没有回答" in done.stderr
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    written = subprocess.run([*run, *LAB, "--device", GUN], capture_output=True, timeout=60, check=False)
    assert written.returncode == 0, written.stderr
    dry = subprocess.run([*run, *LAB, "--device", GUN, "--dry-run"], capture_output=True, timeout=60, check=False)
    assert dry.stdout == pc.config.read_bytes()


def test_answers_on_standard_input(pc: Pc) -> None:
    pc.receive("case-system.jwk")
    given = ["songjiang", "w03", "10.20.1.5", "/etc/hall-edge/case-system.jwk"]
    done = init(pc, "--device", "none", answers=given)
    assert done.code == 0, done.err
    assert pc.load().mqtt.url == "mqtts://10.20.1.5"
    assert pc.load().devices == ()


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (["song jiang"], '<stdin>:1: "song jiang" is no name'),
        (["h", "w/1"], '<stdin>:2: "w/1" is no name'),
        (["h", "w", "ftp://x"], "<stdin>:3: broker URL:"),
        (["h", "w", "x", "/none.jwk"], "<stdin>:4:"),
        (["h", "w", "x"], "<stdin>: no answer"),
        ([""], "<stdin>:1: no answer"),
        (["\x00\x1b[2J"], '<stdin>:1: "\\u0000\\u001b[2J" is no name'),
    ],
)
def test_a_wrong_line_is_named(pc: Pc, answers: list[str], said: str) -> None:
    before = pc.left()
    done = init(pc, "--device", "none", answers=answers)
    assert done.code == 5
    assert said in done.err
    assert pc.left() == before


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--hall", "A B"], '--hall: "A B" is no name'),
        (["--hall", "Bridge"], '--hall: "bridge" has a meaning of its own'),
        (["--check"], "--check: only with --site"),
        (["--credentials", "--config", "/etc/x.toml"], "--credentials: systemd starts the daemon with another file"),
        (["--tpm"], "--tpm: there is no private key to seal"),
        (["--window", ""], "not known: --window"),
        (["--broker", "mqtts://a@b"], "--broker: the broker's URL holds a user name or password"),
        (["--subscriber", "x=/etc/hall-edge/private.jwk"], "--subscriber: the file holds a private key"),
        (["--subscriber", "x=/nowhere.jwk"], '--subscriber: "/nowhere.jwk" cannot be read'),
        (["--subscriber", "X Y=/nowhere.jwk"], '--subscriber: "X Y" is no name'),
        (["--ca", "/home/li/ca.pem"], "--ca: the daemon does not see files below /home/"),
        (["--device", "name=x driver=pad_serialx address=serial:///dev/x"], 'unknown driver "pad_serialx"'),
        (["--device", "name=x driver=code_serial address=serial:///dev/x contents=public"], '"contents"'),
        (["--device", "name=x 'driver"], "--device:"),
        (["--device", "name=x driver"], '--device: "driver" is no key=value'),
        (["--device", GUN, "--device", GUN], '"gun-1" is already used'),
        (["--certificate", "/etc/hall-edge/window.pem"], "certificate is given without key"),
    ],
)
def test_a_wrong_flag_is_named(pc: Pc, flags: list[str], said: str) -> None:
    pc.receive("private.jwk", "neighbour.pem", "neighbour.key", "window.pem", "case-system.jwk")
    done = init(pc, *WINDOW, *BROKER, *OFFICE, "--device", "none", "--yes", *flags)
    assert done.code == 5
    assert said in done.err
    assert " — " in done.err
    assert not pc.config.exists()
    assert not pc.drop_in.exists()


def test_what_is_missing_is_named_by_its_flags(pc: Pc) -> None:
    done = init(pc, "--yes")
    assert done.code == 5
    assert "not known: --hall, --window, --broker, --subscriber or --lab" in done.err


def test_the_window_of_another_certificate_is_refused(pc: Pc) -> None:
    pc.receive("ca.pem", "neighbour.pem", "neighbour.key", "case-system.jwk")
    done = init(pc, *WINDOW, *BROKER, *OFFICE, "--device", GUN, "--yes", "--certificate",
                "/etc/hall-edge/neighbour.pem", "--key", "/etc/hall-edge/neighbour.key")  # fmt: skip
    assert done.code == 5
    assert 'it names "w04.songjiang", not' in done.err
    assert not pc.config.exists()


def test_nothing_is_replaced_unasked(pc: Pc) -> None:
    pc.config.write_text("mine", encoding="utf-8")
    done = init(pc, *LAB, "--device", GUN)
    assert done.code == 5
    assert "there is a configuration already — add --force" in done.err
    assert pc.config.read_text(encoding="utf-8") == "mine"
    assert init(pc, *LAB, "--device", GUN, "--dry-run").code == 0
    assert init(pc, *LAB, "--device", "nonsense=1", "--force").code == 5
    assert pc.config.read_text(encoding="utf-8") == "mine"
    done = init(pc, *LAB, "--device", GUN, "--force")
    assert done.code == 0
    assert "systemctl restart hall-edge" in done.out
    (kept,) = pc.etc.glob("*.bak")
    assert kept.read_text(encoding="utf-8") == "mine"
    assert init(pc, *LAB, "--device", GUN, "--force").code == 0
    assert len(list(pc.etc.glob("*.bak"))) == 2
    assert "hall-edge.toml" in {path.name for path in pc.etc.iterdir()}
    assert not list(pc.etc.glob(".hall-edge*"))


def test_what_stood_there_is_what_enter_takes(pc: Pc) -> None:
    assert init(pc, *LAB, "--device", GUN).code == 0
    done = init(pc, "--lab", "--device", "none", "--yes", "--force")
    assert done.code == 0, done.err
    assert pc.load().window.window == "w03"
    assert pc.load().mqtt.url == "mqtt://127.0.0.1:1883"


def test_a_dry_run_prints_what_would_be_written(pc: Pc) -> None:
    before = pc.left()
    done = init(pc, *LAB, "--device", GUN, "--dry-run")
    assert pc.left() == before
    assert init(pc, *LAB, "--device", GUN).code == 0
    assert pc.config.read_text(encoding="utf-8") == done.out


def test_who_was_faster_is_not_overwritten(pc: Pc) -> None:
    """Two technicians: the second one's configuration appeared while the first one answered."""
    pc.config.write_text("the other one's", encoding="utf-8")
    with pytest.raises(Exception, match="there is a configuration already"):
        writing.put(pc.config, "ours", mode=0o640)
    assert pc.config.read_text(encoding="utf-8") == "the other one's"
    assert [path.name for path in pc.etc.iterdir()] == ["hall-edge.toml"]


READ_ONLY = """
mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"
"""


def test_a_read_only_etc_is_told_before_any_question(pc: Pc) -> None:
    run = [sys.executable, "-m", "edge", "init", "--root", str(pc.root), "--lang", "en"]
    shell = ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", str(pc.etc), *run]
    if os.geteuid() != 0:
        shell.insert(1, "--map-root-user")
    done = subprocess.run(shell, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
    if "unshare:" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no mounts of our own here: {done.stderr.strip()}")
    assert done.returncode == 5
    assert "it cannot be written: Read-only file system — the disk is read-only" in done.stderr
    assert "1/5" not in done.stderr


def test_a_folder_of_somebody_else_says_sudo(pc: Pc) -> None:
    run = [sys.executable, "-m", "edge", "init", "--root", str(pc.root), "--lang", "en"]
    if os.geteuid() == 0:
        sees = [f"--{kind}-caps=+dac_read_search" for kind in ("inh", "ambient")]  # wherever the checkout lies
        run = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *sees, *run]
    pc.etc.chmod(0o555)
    done = subprocess.run(run, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
    pc.etc.chmod(0o755)
    assert done.returncode == 5, done.stderr
    assert "Permission denied — run it as root: sudo hall-edge init" in done.stderr


def test_a_disk_that_is_full_is_told(pc: Pc, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real error of the system, from a device that is always full."""
    full = Path("/dev/full")

    def fsync(_: int) -> None:
        with full.open("wb", buffering=0) as file:
            file.write(b"x")

    monkeypatch.setattr(os, "fsync", fsync)
    before = pc.left()
    done = init(pc, *LAB, "--device", GUN)
    assert done.code == 5
    assert "No space left on device — free some space on the disk" in done.err
    assert pc.left() == before


def test_an_interrupt_in_the_middle_of_writing_leaves_nothing(pc: Pc, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", fsync)
    before = pc.left()
    assert init(pc, *LAB, "--device", GUN).code == command.EXIT_INTERRUPTED
    assert pc.left() == before

"""Keys that systemd hands over: what init writes, what ``check`` makes of it, and a TPM."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.config import load
from edge.config.credentials import Grant, Lookup, granted
from edge.errors import ConfigError
from edge.tools.init import network
from tests.support.project import ROOT
from tests.support.wait import wait_until
from tests.tools.init_rig import GUN, Done, Pc, init

WINDOW = ("--hall", "songjiang", "--window", "w03", "--broker", "mqtts://10.20.1.5:8883", "--yes", "--device", GUN)
LAB = ("--lab", "--no-credentials", "--force")
CREDS = shutil.which("systemd-creds")


@pytest.fixture(autouse=True)
def _delivered(pc: Pc) -> None:
    pc.receive("ca.pem", "window.pem", "window.key", "case-system.jwk")


def made(pc: Pc, *flags: str) -> Done:
    done = init(pc, *WINDOW, *flags)
    assert done.code == 0, done.err
    return done


def test_systemd_hands_over_what_lies_in_place(pc: Pc) -> None:
    done = made(pc)
    assert pc.drop_in.read_text(encoding="utf-8").splitlines()[1:] == [
        "[Service]",
        "LoadCredential=window-certificate:/etc/hall-edge/window.pem",
        "LoadCredential=window-key:/etc/hall-edge/window.key",
    ]
    assert stat.S_IMODE(pc.drop_in.stat().st_mode) == 0o644
    text = pc.config.read_text(encoding="utf-8")
    assert 'key = "credential:window-key"' in text
    assert 'certificate = "credential:window-certificate"' in text
    assert "systemctl daemon-reload" in done.out
    assert [name for name, data in pc.left().items() if b"PRIVATE KEY" in data] == ["etc/hall-edge/window.key"]


def test_the_daemon_reads_it_as_systemd_gives_it(pc: Pc, tmp_path: Path) -> None:
    made(pc)
    given = tmp_path / "credentials"
    given.mkdir()
    for name, grant in granted(str(pc.root)).items():
        (given / name).write_bytes((pc.root / grant.path[1:]).read_bytes())
        (given / name).chmod(0o400)
    config = load(pc.config, {"CREDENTIALS_DIRECTORY": str(given)}, Lookup(root=str(pc.root)))
    assert config.mqtt.key == f"{given}/window-key"
    assert config.mqtt.certificate == f"{given}/window-certificate"


def test_without_systemd_it_is_refused_as_before(pc: Pc) -> None:
    made(pc)
    with pytest.raises(ConfigError, match="there is no credentials directory here"):
        load(pc.config, {}, Lookup(root=str(pc.root)))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_drop_in(pc: Pc) -> None:
    made(pc)
    unit = pc.root / "etc/systemd/system/hall-edge.service"
    unit.write_text("[Service]\nType=simple\nExecStart=/bin/true\n", encoding="ascii")

    def verdict() -> str:
        command = [shutil.which("systemd-analyze") or "", "verify", "--recursive-errors=no", str(unit)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stderr

    assert "credentials.conf" not in verdict()
    pc.drop_in.write_text("[Service]\nLoadCredentials=window-key:/x\n", encoding="ascii")
    assert "credentials.conf" in verdict(), "it would have said so"


def test_paths_are_kept_where_systemd_is_not_asked(pc: Pc) -> None:
    made(pc, "--no-credentials")
    assert 'key = "/etc/hall-edge/window.key"' in pc.config.read_text(encoding="utf-8")
    assert not pc.drop_in.exists()


def test_another_file_is_not_systemds(pc: Pc) -> None:
    assert init(pc, *WINDOW, "--config", "/etc/hall-edge/second.toml").code == 0
    assert not pc.drop_in.exists()
    assert 'key = "/etc/hall-edge/window.key"' in (pc.etc / "second.toml").read_text(encoding="utf-8")


def test_a_drop_in_that_is_not_needed_goes(pc: Pc) -> None:
    made(pc)
    assert pc.drop_in.exists()
    assert init(pc, *WINDOW, *LAB).code == 0
    assert not pc.drop_in.exists()
    pc.drop_in.write_text("[Service]\n# an administrator's own\n", encoding="ascii")
    assert init(pc, *WINDOW, *LAB).code == 0
    assert pc.drop_in.exists()


def test_an_open_key_and_an_odd_name_are_refused(pc: Pc) -> None:
    (pc.etc / "window.key").chmod(0o644)
    done = init(pc, *WINDOW)
    assert (done.code, "open to every user of this PC — chmod o=" in done.err) == (5, True)
    (pc.etc / "my key").write_bytes(b"-")
    done = init(pc, *WINDOW, "--certificate", "/etc/hall-edge/window.pem", "--key", "/etc/hall-edge/my key")
    assert (done.code, 'systemd cannot be given "/etc/hall-edge/my key"' in done.err) == (5, True)
    assert not pc.drop_in.exists()


def test_the_password_is_handed_over_too(pc: Pc) -> None:
    (pc.etc / "password").write_text("correct horse\n", encoding="ascii")
    (pc.etc / "password").chmod(0o600)
    made(pc, "--username", "w03", "--password-file", "/etc/hall-edge/password")
    assert "LoadCredential=broker-password:/etc/hall-edge/password" in pc.drop_in.read_text(encoding="utf-8")


@pytest.mark.skipif(CREDS is None, reason="systemd-creds is not installed")
def test_without_a_tpm_it_cannot_be_asked_for(pc: Pc) -> None:
    if subprocess.run([CREDS or "", "has-tpm2"], capture_output=True, check=False).returncode == 0:
        pytest.skip("this machine has a TPM")
    before = pc.left()
    done = init(pc, *WINDOW, "--tpm")
    assert done.code == 5
    assert "the private key cannot be sealed:" in done.err
    assert "add --no-tpm" in done.err
    assert pc.left() == before


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, encrypt: str, decrypt: str) -> Path:
    """Put a ``systemd-creds`` first that says there is a TPM, and calls the real one with other options."""
    if CREDS is None:
        pytest.skip("systemd-creds is not installed")
    folder.mkdir()
    script = folder / "systemd-creds"
    script.write_text(
        "#!/bin/sh\n"
        '[ "$1" = has-tpm2 ] && exit 0\n'
        f'[ "$1" = decrypt ] && exec {CREDS} "$@" {decrypt}\n'
        '[ "$3" = --with-key=tpm2 ] || exit 9\n'
        f'exec {CREDS} "$1" "$2" {encrypt} "$5" "$6"\n',
        encoding="utf-8",
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return folder


@pytest.fixture
def tpm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No TPM, and no key where it would be used: everything else is the real systemd-creds."""
    return stand_in(tmp_path / "bin", monkeypatch, "--with-key=tpm2-absent", "")


@pytest.fixture
def emulated_tpm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the device of a TPM that swtpm emulates; systemd-creds uses it as it would a chip."""
    program = shutil.which("swtpm")
    if program is None or not all(map(loads, ("libtss2-esys.so.0", "libtss2-rc.so.0", "libtss2-tcti-swtpm.so.0"))):
        pytest.skip("swtpm or the libraries for it are not installed")
    (tmp_path / "tpm").mkdir()
    port = two_ports()
    address = "type=tcp,bindaddr=127.0.0.1,port="
    process = subprocess.Popen(
        [program, "socket", "--tpm2", "--tpmstate", f"dir={tmp_path}/tpm", "--server", f"{address}{port}",
         "--ctrl", f"{address}{port + 1}", "--flags", "not-need-init,startup-clear"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        device = f"--tpm2-device=swtpm:host=127.0.0.1,port={port}"
        stand_in(tmp_path / "bin", monkeypatch, f'"$3" "$4" {device}', device)
        wait_until(lambda: listens(port), 10, "the TPM answers")
        yield device
    finally:
        process.terminate()
        process.wait(10)


def loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def two_ports() -> int:
    """Return a free port whose neighbour is free, too: the library takes that for the TPM's power switch."""
    for _ in range(50):
        with socket.socket() as first, socket.socket() as second, contextlib.suppress(OSError):
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            second.bind(("127.0.0.1", port + 1))
            return port
    raise AssertionError("no two free ports")


def listens(port: int) -> bool:
    """Return whether somebody listens there, without connecting: swtpm serves one client and ends with it."""
    table = Path("/proc/net/tcp").read_text(encoding="ascii")
    return f":{port:04X} 00000000:0000 0A" in table


def test_a_key_that_a_tpm_sealed_opens_with_it_alone(pc: Pc, emulated_tpm: str) -> None:
    done = made(pc)
    assert "sealed to this PC's TPM" in done.out, done.out
    sealed = pc.etc / "window-key.cred"
    assert granted(str(pc.root))["window-key"].encrypted
    plain = [CREDS or "", "decrypt", "--name=window-key", str(sealed), "-"]
    assert (
        subprocess.run([*plain, emulated_tpm], capture_output=True, check=False).stdout
        == (pc.etc / "window.key").read_bytes()
    )
    assert subprocess.run(plain, capture_output=True, check=False).returncode != 0


def decrypted(path: Path) -> bytes:
    command = [CREDS or "", "decrypt", "--name=window-key", str(path), "-"]
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.mark.usefixtures("tpm")
def test_with_a_tpm_the_key_is_sealed(pc: Pc) -> None:
    done = made(pc)
    assert granted(str(pc.root))["window-key"] == Grant("/etc/hall-edge/window-key.cred", encrypted=True)
    sealed = pc.etc / "window-key.cred"
    assert stat.S_IMODE(sealed.stat().st_mode) == 0o600
    assert decrypted(sealed) == (pc.etc / "window.key").read_bytes()
    assert "shred -u /etc/hall-edge/window.key" in done.out
    assert pc.load().mqtt.key == f"{sealed}"
    first = sealed.read_bytes()
    made(pc, "--force")
    assert sealed.read_bytes() == first, "it is not sealed twice"
    (pc.etc / "window.key").unlink()
    made(pc, "--force")
    assert granted(str(pc.root))["window-key"].encrypted
    (pc.etc / "window-key.cred").unlink()
    with pytest.raises(ConfigError, match='"credential:window-key" cannot be read: No such file'):
        pc.load()


def test_a_tpm_that_fails_is_told_and_the_key_handed_over_as_it_is(pc: Pc, tpm: Path) -> None:
    broken = (tpm / "systemd-creds").read_text(encoding="utf-8").replace("--with-key=tpm2-absent", "--with-key=none")
    (tpm / "systemd-creds").write_text(broken, encoding="utf-8")
    done = made(pc)
    assert "note: the private key cannot be sealed: " in done.out
    assert not granted(str(pc.root))["window-key"].encrypted
    assert sorted(path.name for path in pc.etc.iterdir()) == [
        "ca.pem", "case-system.jwk", "hall-edge.toml", "window.key", "window.pem"
    ]  # fmt: skip


def test_drop_ins_are_read_as_systemd_reads_them(pc: Pc) -> None:
    pc.drop_in.parent.mkdir(parents=True)
    (pc.drop_in.parent / "10.conf").write_text(
        "[Service]\nLoadCredential=a:/a\nLoadCredentialEncrypted = b:/b \n#LoadCredential=c:/c\nLoadCredential=d\n"
    )
    (pc.drop_in.parent / "20.conf").write_text("[Service]\nLoadCredential=\nLoadCredential=e:/e e\n")
    (pc.drop_in.parent / "30.conf").write_bytes(b"\xff")
    assert granted(str(pc.root)) == {"b": Grant("/b", encrypted=True), "e": Grant("/e e")}


def test_a_broker_outside_is_let_through_the_unit(pc: Pc) -> None:
    public = [word if word != "mqtts://10.20.1.5:8883" else "mqtts://203.0.113.7" for word in WINDOW]
    done = init(pc, *public, "--no-credentials")
    assert done.code == 0, done.err
    assert pc.drop_in.read_text(encoding="utf-8").splitlines()[1:] == ["[Service]", "IPAddressAllow=203.0.113.7"]
    assert "203.0.113.7" in done.out
    assert network.to_allow("mqtts://localhost") == network.to_allow("mqtts://[fd00::1]:8883") == []
    assert network.to_allow("mqtts://[2001:db8::1]") == ["2001:db8::1"]


def test_the_networks_are_those_of_the_unit() -> None:
    text = (ROOT / "systemd" / "hall-edge.service").read_text(encoding="utf-8")
    words = " ".join(re.findall(r"^IPAddressAllow=(.*)$", text, re.MULTILINE)).split()
    named = {"localhost": "127.0.0.0/8 ::1/128", "link-local": "169.254.0.0/16 fe80::/64"}
    assert sorted(" ".join(named.get(word, word) for word in words).split()) == sorted(network.ALLOWED)

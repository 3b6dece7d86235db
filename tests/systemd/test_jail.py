"""The daemon and its drivers do all their work under what their units forbid (see ``tests.systemd.jail``)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.office import Office
from tests.support.saned import backend_test
from tests.support.units import driver_units
from tests.support.window import HALL, WindowUnderTest
from tests.systemd.jail import jailed
from tests.systemd.unit import FOLDER, SERVICES

READY_S = 45.0  # nine devices, four of them in processes of their own, on a busy machine
PROBE = """
import ctypes, errno, json, mmap, os, socket, threading
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)
def said(deed):
    try:
        deed()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"
deeds = {
    "own clock": lambda: call("adjtimex", ctypes.create_string_buffer(512)),
    "code": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
    "packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "internet": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "owner": lambda: os.chown("/", 0, 0),
    "priority": lambda: os.nice(1),
    "namespace": lambda: call("unshare", 0x10000000),
    "look into others": lambda: call("ptrace", 16, os.getppid(), 0, 0),
    "a thread": lambda: threading.Thread(target=len, args=("x",)).start(),
    "a socket": lambda: socket.socket(socket.AF_UNIX),
}
told = {name: said(deed) for name, deed in deeds.items()}
rights = [line.split() for line in open("/proc/self/status")]
told["rights"] = {line[1] for line in rights if line[0] in ("CapEff:", "CapBnd:")} == {"0" * 16}
told["interfaces"] = sorted(name for _, name in socket.if_nameindex())
print(json.dumps(told))
"""


@pytest.mark.parametrize("name", SERVICES)
def test_the_jail_refuses_what_the_unit_forbids(name: str) -> None:
    done = subprocess.run(
        jailed(FOLDER / name, sys.executable, "-c", PROBE), capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)
    alone = name == "hall-edge-driver@.service"
    assert (told.pop("interfaces") == ["lo"]) is alone
    assert told.pop("rights")
    assert told.pop("internet") == ("EAFNOSUPPORT" if alone else "done")
    assert told.pop("packets") == "EAFNOSUPPORT"
    assert [told.pop(name) for name in ("a thread", "a socket")] == ["done", "done"]
    assert set(told.values()) == {"EPERM"}


@pytest.mark.slow
def test_all_simulators_are_driven_in_jail(
    window: WindowUnderTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.device("id-1", "idcard_sdt", 'read = "fields"\nfields = ["name"]')
    window.device("usb-1", "idcard_sdt", 'read = "verify"', model="idcard_usb")
    window.device("gun-1", "code_serial", 'content = "public"')
    window.device("pad-1", "pad_serial", 'profile = "aa55_xor"')
    window.device("pad-2", "pad_hid", 'profile = "hid_keys"', kind="keys")
    window.device("card-1", "card_pcsc")
    window.device("camera-1", "camera_uvc", 'content = "public"')
    window.device("scanner-1", "scanner_escl", 'content = "public"')
    sane = backend_test(window.folder / "ports" / "sane")
    window.foreign("scanner-2", "scanner_sane", f"sane:test:0?config={sane}", 'content = "public"')
    window.extra = '[[subscriber]]\nname = "case-system"\n'
    window.program = jailed(FOLDER / "hall-edge.service", *window.program)
    units = {"driver": "hall-edge-driver@.service", "netdriver": "hall-edge-netdriver@.service"}
    with driver_units(window.folder / "ports", lambda name, command: jailed(FOLDER / units[name], *command)) as sockets:
        monkeypatch.setenv("HALL_EDGE_DRIVERS", str(sockets))
        window.start(ready=False).wait_ready(READY_S)
        keys = [window.folder / "state" / "lab-key.jwk"]
        with Office(window.url, "case-system", HALL, keys, tmp_path) as office:
            window.do("id-1 insert resident seed=7")
            window.do("card-1 insert storage")
            window.bench.do("gun-1 scan A017")
            captured = window.request("camera-1", "capture").completion()
            assert captured["code"] == "ok", captured
            scans = [
                window.request(name, "scan", {"source": "feeder", "dpi": 75}).completion()
                for name in ("scanner-1", "scanner-2")
            ]
            assert [scan["code"] for scan in scans] == ["ok", "ok"]
            office.wait_seq(max(int(event["seq"]) for scan in scans for event in scan["events"]))
            kinds = {(event.device, event.kind) for event in office.events}
        assert {name for name, _ in kinds} == {"id-1", "card-1", "gun-1", "camera-1", "scanner-1", "scanner-2"}
        assert all(state == "ready" for state in window.states().values())
        window.stop()

"""The screens in the technician's manuals: what the real programs say of a real window with simulated devices.

``python -m tests.docs.screens`` writes them anew. What depends on the machine that makes them is set: times, figures,
nodes, and what a test bed has not (systemd, a time service, certificates).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from edge.messages import Lang
from edge.sealing.jwe import new_key, public_jwk
from edge.selftest.model import Check, Report
from edge.tools.live.text import View, document
from edge.tools.selftest.text import Layout, body, header
from tests.support.broker import Broker
from tests.support.project import ROOT
from tests.support.wait import wait_until
from tests.support.window import WindowUnderTest

MANUALS: Mapping[Lang, str] = {"zh": "docs/technician.md", "en": "docs/technician.en.md"}
COLUMNS = 80
TRIES, SLOW = 5, b"DEV-121"
"""A machine that is busy with other tests may be too slow for a camera's checks: then test again, as that code says."""
NOW = datetime(2026, 11, 23, 8, 20).astimezone()  # the same time of day wherever it is made
_STAMP, _EARLIER = NOW.isoformat(), NOW.replace(hour=7, minute=2).isoformat()
_PASSED = {
    "service": ("SVC-000", "hall-edge 0.1.0, enabled, 0 restarts"),
    "rules": ("RUL-000", "units and udev rules are those of this version"),
    "clock": ("CLK-000", "kept by a time service"),
    "certificate": ("CRT-000", "good for: certificate 340 days, ca 3200 days"),
}
"""The checks that a test bed does not pass."""
_FIGURES = {
    "CAM-000": ("1600", "1200"),
    "STO-000": ("8", "118"),
    "DSK-000": ("41200", "12"),
    "MQT-000": ("7",),
    "SUB-131": ("118",),
}
_TOOK_S = {"STO-000": 0.1, "CAM-000": 0.8, "MQT-000": 0.1, "PCS-000": 0.1}
_LADDER = {"accepted": "118", "sent": "118", "brokered": "118", "confirmed": "0"}
_NUMBER = r"(?<![\w.])\d+(?:\.\d+)?"
_BLOCK = r"(^```text screen={name}\n)(.*?)(^```$)"


@contextmanager
def window() -> Iterator[WindowUnderTest]:
    """Run a window with a device of each kind, whose back office has never been there."""
    with (
        tempfile.TemporaryDirectory(prefix="w-") as folder,
        tempfile.TemporaryDirectory(prefix="b-") as other,
        Broker(Path(other)) as broker,
    ):
        shown = WindowUnderTest(Path(folder), broker)
        try:
            _configure(shown)
            yield shown.start()
        finally:
            shown.close()


def _configure(shown: WindowUnderTest) -> None:
    key = shown.folder / "case-system.jwk"
    key.write_text(json.dumps(public_jwk(new_key())), encoding="ascii")
    shown.lab = False
    shown.extra = f'[[subscriber]]\nname = "case-system"\nkey = "{key}"\n'
    shown.device("id-1", "idcard_sdt", 'read = "presence"')
    shown.device("card-1", "card_pcsc")
    shown.device("camera-1", "camera_uvc", width=800, height=600)
    shown.device("scanner-1", "scanner_escl", sheets=1)
    shown.device("pad-1", "pad_serial", 'profile = "ascii_keys"', profile="ascii_keys")


def screens() -> dict[tuple[str, Lang], str]:
    """Return all of them, by name and language."""
    with window() as shown:
        found = _selftests("well", _asked(shown, "selftest"))
        shown.do("id-1 insert resident seed=7")
        wait_until(lambda: shown.tap.events("presented"), 10, "the card is seen")
        shown.do("id-1 remove")
        wait_until(lambda: shown.tap.events("removed"), 10, "it is gone")
        shown.bench.do("pad-1 unplug")
        wait_until(lambda: shown.states()["pad-1"] == "absent", 10, "the pad is absent")
        found |= _selftests("broken", _asked(shown, "selftest"))
        found |= _statuses(_asked(shown, "status"))
    return found | _explained("SER-105")


def _asked(shown: WindowUnderTest, verb: str) -> bytes:
    """Return the JSON of ``hall-edge selftest`` or ``status``."""
    where = ["--config", str(shown.config_path)] if verb == "selftest" else ["--run", str(shown.folder / "run")]
    command = [sys.executable, "-m", "edge", verb, *where, "--json"]
    said = SLOW
    for _ in range(TRIES):
        if SLOW in said:
            said = subprocess.run(command, stdout=subprocess.PIPE, timeout=60, check=False, cwd=ROOT).stdout
    return re.sub(rf"{re.escape(str(shown.folder))}/ports/(\w+)-1".encode(), rb"/dev/hall-edge/\1", said)


def _selftests(name: str, said: bytes) -> dict[tuple[str, Lang], str]:
    report = msgspec.json.decode(said, type=Report)
    report = msgspec.structs.replace(
        report, hall="songjiang-district", window="w03", host="pc-0303", version="0.1.0", started=_STAMP,
        took_s=0.9, checks=tuple(_set(check) for check in report.checks),
    )  # fmt: skip
    layouts = {lang: Layout(lang, COLUMNS) for lang in MANUALS}
    return {
        (f"selftest-{name}", lang): _text([*header(report, layout), *body(report, layout)])
        for lang, layout in layouts.items()
    }


def _set(check: Check) -> Check:
    """Return *check* as it is on a window's own PC, at the time of the screens."""
    if check.name in _PASSED:
        code, seen = _PASSED[check.name]
        return msgspec.structs.replace(check, code=code, seen=seen, result="ok", took_s=0.0, action="")
    seen, figures = check.seen, _FIGURES.get(check.code, ())
    if figures:
        there = re.findall(_NUMBER, seen)
        assert len(there) == len(figures), f"{check.code} has other figures now: {seen}"
        shown = iter(new if old != "0" else old for old, new in zip(there, figures, strict=True))
        seen = re.sub(_NUMBER, lambda _: next(shown), seen)
    return msgspec.structs.replace(check, seen=seen, took_s=_TOOK_S.get(check.code, 0.0))


def _statuses(said: bytes) -> dict[tuple[str, Lang], str]:
    snapshot: dict[str, Any] = json.loads(said)
    snapshot |= {"hall": "songjiang-district", "window": "w03", "version": "0.1.0", "since": _EARLIER}
    for device in snapshot["devices"].values():
        device |= {"last_proven": _STAMP if device.get("last_proven") else None, "since": _EARLIER}
    health = snapshot["health"]
    health |= {"ladder": _LADDER, "problems": [one for one in health.get("problems", ()) if one["code"] != "SYS-145"]}
    health["outbox"] |= {"depth": 118, "oldest_s": 10_800}
    return {
        ("status-broken", lang): _text(document(snapshot, View(lang, COLUMNS, colour=False, now=NOW)))
        for lang in MANUALS
    }


def _explained(code: str) -> dict[tuple[str, Lang], str]:
    command, env = [sys.executable, "-m", "edge", "explain", code, "--lang"], {**os.environ, "COLUMNS": str(COLUMNS)}
    said = {lang: subprocess.check_output([*command, lang], text=True, cwd=ROOT, env=env) for lang in MANUALS}
    return {("explain", lang): screen for lang, screen in said.items()}


def _text(lines: Iterator[str] | list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def written(manual: str, name: str) -> str | None:
    """Return the screen *name* as it stands in *manual*; ``None``: it has none."""
    text = (ROOT / manual).read_text(encoding="utf-8")
    match = re.search(_BLOCK.format(name=name), text, re.MULTILINE | re.DOTALL)
    return match and match[2]


def main() -> None:
    """Write all screens into the manuals."""
    for (name, lang), screen in screens().items():
        path = ROOT / MANUALS[lang]
        block = re.compile(_BLOCK.format(name=name), re.MULTILINE | re.DOTALL)
        text = path.read_text(encoding="utf-8")
        there = block.search(text)
        assert there, f"{MANUALS[lang]} has no place for the screen {name}"
        path.write_text(text[: there.start(2)] + screen + text[there.end(2) :], encoding="utf-8")


if __name__ == "__main__":
    main()

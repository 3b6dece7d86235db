"""Makes the pictures of the status page in docs/images: ``python -m tests.page.screenshots [FOLDER]``.

The page is the real one in the real browser; the window it shows is invented and its clock stands still, so that the
same page gives the same pictures.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from edge.delivery.link_errors import CODES as LINK_CODES
from tests.page import rig
from tests.page.chromium import Chromium
from tests.page.png import small
from tests.page.rig import Told, in_background
from tests.support.project import ROOT

FOLDER = ROOT / "docs" / "images"
NOW = datetime(2026, 11, 22, 0, 41, 3, tzinfo=UTC)  # 8:41 in Shanghai
STILL = "window.later = 0; performance.now = () => 1000 + window.later; localStorage.clear();"
SHOWN = "document.getElementById('as-of').textContent !== ''"
WIDTH, PHONE = 1024, (360, 740)


def stamp(seconds_ago: float = 0.0) -> str:
    return (NOW - timedelta(seconds=int(seconds_ago))).isoformat()


def well(_window: dict[str, Any]) -> None:
    """Change nothing."""


def absent(window: dict[str, Any]) -> None:
    window["devices"]["pad-1"] |= {
        "state": "absent", "since": stamp(90), "last_proven": stamp(92), "code": "SER-105",
        "reason": "/dev/hall-edge/by-port/1-1.4 went away (end of stream)",
        "action": "plug the device in again and check its cable",
    }  # fmt: skip


def broker_down(window: dict[str, Any]) -> None:
    message, action = LINK_CODES["MQT-101"]
    health = window["health"]
    health["problems"] = [{"code": "MQT-101", "message": message, "action": action, "level": "attention"}]
    health["link"] = {"state": "down", "connects": 1, "unheard": 0, "code": "MQT-101"}
    health["ladder"] |= {"accepted": "1302"}
    health |= {"head_seq": "1302", "outbox": {"depth": 20, "oldest_s": 611.0, "quarantined": 0}}
    health["subscribers"]["case-system"]["acked"] = stamp(611)
    window["privacy"] |= {"sensitive_kept": 5, "sensitive_oldest_s": 611.0}


SCENES: Mapping[str, Callable[[dict[str, Any]], None]] = {
    "well": well, "device-absent": absent, "broker-down": broker_down, "stale": well, "phone": absent,
}  # fmt: skip


def main() -> None:
    """Make all of them."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    clocks = (mock.patch.object(rig, "stamp", stamp), mock.patch("edge.health.stamp", stamp))
    with tempfile.TemporaryDirectory() as profile, clocks[0], clocks[1], Chromium(Path(profile)) as browser:
        browser.tell("Page.addScriptToEvaluateOnNewDocument", source=STILL)
        browser.tell("Emulation.setTimezoneOverride", timezoneId="Asia/Shanghai")
        for scene, change in SCENES.items():
            with in_background(Told(port=8630)) as told:
                change(told.shown)
                for lang in ("zh", "en"):
                    _take(browser, told, scene, lang, folder / f"status-{scene}-{lang}.png")


def _take(browser: Chromium, told: Told, scene: str, lang: str, path: Path) -> None:
    browser.size(*PHONE, phone=True) if scene == "phone" else browser.size(WIDTH, 400)
    browser.open("about:blank")
    browser.open(f"{told.url}#{lang}")
    browser.until(SHOWN, what="the page shows the window")
    if scene == "stale":
        browser.run("window.later = 34000; document.dispatchEvent(new Event('visibilitychange'))")
    if scene == "device-absent":
        browser.run("document.querySelector('[aria-controls=more-pad-1]').click()")
    if scene != "phone":
        browser.size(WIDTH, browser.run("document.documentElement.scrollHeight"))
    path.write_bytes(small(browser.picture()))
    sys.stdout.write(f"{path.name}\n")


if __name__ == "__main__":
    main()

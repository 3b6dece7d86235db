"""P7: what a driver throws, prints or warns of tells its class and its place, and never what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import leaky_driver
from tests.support.leaky_driver import APART, DRIVER, NAME, RAISES
from tests.support.window import WindowUnderTest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("driver", "ways"), [(DRIVER, ["", *RAISES]), (APART, ["", "own", "chain"])], ids=["thread", "process"]
)
def test_a_driver_that_tells_everything_tells_nothing(
    window: WindowUnderTest,
    driver: str,
    ways: list[str],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outside: Path = tmp_path_factory.mktemp("outside")
    monkeypatch.setenv("PYTHONPATH", leaky_driver.install(outside))
    window.planted += [NAME, *NAME.split()]
    window.allow_drivers = f'["{leaky_driver.PACKAGE}"]'
    for number, way in enumerate(ways):
        window.foreign(f"pad-{number}", driver, f"tcp://127.0.0.1:{4000 + number}", f'way = "{way}"')
    window.start()
    window.wait_state(f"pad-{len(ways) - 1}", "ready")  # so the broker has its subscriptions, too
    asked = [window.request(f"pad-{number}", "evaluate") for number in range(len(ways))]
    for way, request in zip(ways, asked, strict=True):
        completion = request.completion()
        assert completion["code"] == ("device-error" if way else "ok"), way
        assert not way or completion["error"]["code"] == "DRV-101"
    window.wait_ready()
    assert not window.leaks()
    assert window.log_text.count("leaky_pad.py") >= len(ways), "places are told"
    told = {"plain": "ValueError", "own": "Oops", "chain": "RuntimeError", "decoder": "UnicodeDecodeError"}
    assert not [kind for way, kind in told.items() if way in ways and kind not in window.log_text]
    says = ["library=asyncio", *(["a library warns", "an error that nobody hears"] if driver == DRIVER else [])]
    assert not [one for one in says if one not in window.log_text]  # a process of its own prints them nowhere

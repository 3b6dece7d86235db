"""SANE jobs that last: memory over hundreds of pages, a network scanner whose server dies, our own eSCL simulator."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest

from edge.errors import DeviceAttention, DeviceLost
from edge.events import Page, Payload, ScanStarted
from edge.jobs import DeviceJob
from edge.lanes.process import RemoteDriver
from simulators.bench import Bench
from tests.drivers import sane_rig as rig
from tests.support.saned import backend_test, folder, saned
from tests.support.wait import wait_until

PAGES = 500
SETTLED = 40
GROWTH_KIB = 6 * 1024
PICTURE = {"test-picture": "Color pattern"}  # with "Grid" the test backend itself forgets to free memory


def resident_kib(pid: int, what: str = "VmRSS") -> int:
    found = re.search(rf"^{what}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


@pytest.mark.slow
def test_memory_stays_flat_however_long_the_job(tmp_path: Path) -> None:
    config = backend_test(tmp_path)
    sizes: list[int] = []
    with rig.scanner(config, driver=rig.EndlessFeeder, options=PICTURE) as desk:
        assert isinstance(desk.driver, RemoteDriver)
        pid = desk.driver.pid
        assert pid is not None

        def look(_: DeviceJob, event: Payload) -> None:
            if isinstance(event, Page):
                sizes.append(resident_kib(pid))

        result = desk.scan(source="feeder", size="id-card", dpi=100, max_pages=PAGES, seen=look)
    assert result.types == ["scan-started", *["page"] * PAGES, "scan-completed"]
    assert [page.number for page, _ in result.pages] == list(range(1, PAGES + 1))
    assert max(sizes[SETTLED:]) - sizes[SETTLED] < GROWTH_KIB


@pytest.mark.slow
def test_never_more_than_three_pages_in_memory(tmp_path: Path) -> None:
    """A4 at 300 dpi in colour; the libraries are loaded by a small page before."""
    page_kib = 2480 * 3508 * 3 // 1024
    with rig.scanner(backend_test(tmp_path), options=PICTURE) as desk:
        assert isinstance(desk.driver, RemoteDriver)
        assert desk.driver.pid is not None
        desk.scan(source="platen", size="id-card")
        before = resident_kib(desk.driver.pid)
        assert len(desk.scan(source="feeder", dpi=300, max_pages=8).pages) == 8
        assert resident_kib(desk.driver.pid, "VmHWM") - before < 3 * page_kib


@pytest.mark.slow
def test_a_server_that_dies_in_the_middle_of_a_page(tmp_path: Path) -> None:
    """The backend then says "good, nothing yet" for ever, and takes all of a processor for it."""
    slow = {"read-delay": True, "read-delay-duration": 100_000}
    with saned(tmp_path) as server:

        def kill(_: DeviceJob, event: Payload) -> None:
            if isinstance(event, ScanStarted):
                server.unplug()

        with rig.scanner(server.config, "net:localhost:test:0", options=slow, driver=rig.Impatient) as desk:
            assert desk.info.simulated
            began = time.monotonic()
            result = desk.scan(source="feeder", dpi=150, seen=kill)
            assert time.monotonic() - began < 5
    assert result.types == ["scan-started", "scan-stopped"]
    assert result.stopped == ("device-lost", 0)
    assert isinstance(result.error, DeviceLost)


@contextmanager
def airscan(place: Path, **options: object) -> Iterator[tuple[Bench, Path]]:
    """Put our eSCL simulator behind sane-airscan."""
    with Bench(place) as bench:
        bench.add("scanner", "scanner_escl", **options)
        url = bench.address("scanner").replace("escl://", "http://")
        devices = f'[devices]\n"hall-edge simulated scanner" = {url}/, eSCL\n[options]\ndiscovery = disable\n'
        yield bench, folder(place / "config", "airscan", airscan=devices)


NAME = "airscan:e0:hall-edge%20simulated%20scanner"


@pytest.mark.slow
def test_duplex_through_another_backend(tmp_path: Path) -> None:
    with airscan(tmp_path, sheets=3) as (_, config), rig.scanner(config, NAME) as desk:
        assert desk.info.simulated
        result = desk.scan(duplex=True, dpi=100)
    assert result.types == ["scan-started", *["page"] * 6, "scan-completed"]
    assert isinstance(result.events[0], ScanStarted)
    assert (result.events[0].source, result.events[0].duplex) == ("feeder", True)
    places = [(page.number, page.sheet, page.side) for page, _ in result.pages]
    assert places == [(1, 1, "front"), (2, 1, "back"), (3, 2, "front"), (4, 2, "back"), (5, 3, "front"), (6, 3, "back")]


@pytest.mark.slow
def test_a_jam_and_the_rest_after_it(tmp_path: Path) -> None:
    with airscan(tmp_path, sheets=5) as (bench, config), rig.scanner(config, NAME) as desk:
        bench.do("scanner stop jam page=3")
        first = desk.scan(source="feeder", dpi=100)
        assert first.stopped == ("jam", 2)
        assert isinstance(first.error, DeviceAttention)
        bench.do("scanner clear")
        rest = desk.scan(source="feeder", dpi=100)
    assert rest.types == ["scan-started", *["page"] * 3, "scan-completed"]


@pytest.mark.slow
def test_a_scanner_that_is_switched_off_between_jobs(tmp_path: Path) -> None:
    with airscan(tmp_path) as (bench, config), rig.scanner(config, NAME, {"probe_s": 0.1}) as desk:
        assert list(desk.driver.poll(0.2)) == []
        bench.do("scanner unplug")
        with pytest.raises(DeviceLost) as caught:
            wait_until(lambda: list(desk.driver.poll(0.2)), 5, "the poll notices")
    assert caught.value.code == "SAN-106"


def test_what_discover_offers(tmp_path: Path) -> None:
    """As ``hall-edge discover`` does it: in a process, with SANE's configuration in its environment."""
    code = (
        "import msgspec; from drivers.scanner_sane import SaneScanner as S;"
        "print(msgspec.json.encode([[o.address, o.title, o.sure] for o in S.search(5)]).decode())"
    )
    with airscan(tmp_path) as (_, config):
        folder(config, "test", "airscan", test="number_of_devices 1\n")
        environment = {**os.environ, "SANE_CONFIG_DIR": str(config)}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True, text=True)
    found = msgspec.json.decode(done.stdout)
    assert ["sane:test:0", "Noname frontend-tester", True] in found
    assert ["sane:" + unquote(NAME), "eSCL hall-edge simulated scanner", False] in found

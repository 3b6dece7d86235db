"""The simulated eSCL scanner: served to Debian's own SANE backends, fast, and every page another one."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from simulators import pictures
from simulators.bench import Bench
from simulators.escl_pages import Press, Print
from simulators.scanner_escl import EsclScanner
from simulators.words import ScenarioError, Words

BACKENDS = ("escl", "airscan")
EMPTY = "Document feeder out of documents"


@pytest.fixture
def scanner(tmp_path: Path) -> Iterator[EsclScanner]:
    made = EsclScanner(tmp_path / "scanner", Words.from_options({"sheets": 3}), 1)
    made.plug()
    yield made
    made.unplug()


def decoded(data: bytes) -> pictures.Image:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return np.asarray(picture, np.uint8)


# --- Debian's own clients ---


def scanimage(scanner: EsclScanner, folder: Path, backend: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Scan with an independent client; its configuration names this scanner and looks for no other."""
    here = f"http://127.0.0.1:{scanner.server.port}"
    (folder / "dll.conf").write_text(f"{backend}\n")
    (folder / "escl.conf").write_text("")
    (folder / "airscan.conf").write_text(f'[devices]\n"Sim" = {here}/eSCL, eSCL\n[options]\ndiscovery = disable\n')
    device = {"escl": f"escl:{here}", "airscan": "airscan:e0:Sim"}[backend]
    command = ["scanimage", "-d", device, "--format=jpeg", "--resolution=75", *options]
    environment = {**os.environ, "SANE_CONFIG_DIR": str(folder)}
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=50, check=False)


@pytest.mark.parametrize("backend", BACKENDS)
def test_debian_scans_from_the_glass(scanner: EsclScanner, tmp_path: Path, backend: str) -> None:
    done = scanimage(scanner, tmp_path, backend, "--mode=Color", "-o", "page.jpg")
    assert done.returncode == 0, done.stderr
    height, width, channels = decoded((tmp_path / "page.jpg").read_bytes()).shape
    assert (width, channels) == (637, 3)
    assert height in (876, 877)
    assert scanner.counters["pages"] == 1
    assert len(scanner.device.sheets) == 3


@pytest.mark.parametrize("backend", BACKENDS)
def test_debian_empties_the_feeder(scanner: EsclScanner, tmp_path: Path, backend: str) -> None:
    done = scanimage(scanner, tmp_path, backend, "--source=ADF", "--mode=Gray", "--batch=page%d.jpg")
    assert EMPTY in done.stderr
    pages = sorted(tmp_path.glob("page*.jpg"))
    assert len(pages) == 3
    assert len({page.read_bytes() for page in pages}) == 3
    assert scanimage(scanner, tmp_path, backend, "--source=ADF", "--batch=more%d.jpg").returncode != 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_debian_keeps_the_pages_before_a_jam(scanner: EsclScanner, tmp_path: Path, backend: str) -> None:
    scanner.do("stop jam page=3")
    done = scanimage(scanner, tmp_path, backend, "--source=ADF", "--batch=page%d.jpg")
    assert len(list(tmp_path.glob("page*.jpg"))) == 2
    if backend == "airscan":  # the other one calls whatever ends a batch an empty feeder
        assert "jammed" in done.stderr
    scanner.do("clear")
    assert EMPTY in scanimage(scanner, tmp_path, backend, "--source=ADF", "--batch=rest%d.jpg").stderr
    assert len(list(tmp_path.glob("rest*.jpg"))) == 1


# --- pages ---


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize(("width", "height"), [(1240, 1754), (620, 877), (100, 40), (333, 16), (77, 1001)])
def test_a_printed_page_is_the_drawn_page(width: int, height: int, gray: bool) -> None:
    press = Press(5)
    for number in (1, 2, 7):
        printed = decoded(press.page(number, Print(width, height, 150, gray=gray)))
        drawn = pictures.draw_page(number % 3, 5, width, height)
        drawn[: pictures.strip_height(width, height)] = pictures.draw_strip(number, 5, width, height)
        if gray:
            drawn = np.asarray(cv2.cvtColor(drawn, cv2.COLOR_BGR2GRAY), np.uint8)
        assert np.array_equal(printed, decoded(pictures.encode_jpeg(drawn, 150)))


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "application/pdf"])
@pytest.mark.parametrize("blank", [False, True])
def test_no_two_pages_are_the_same_bytes(media_type: str, blank: bool) -> None:
    press = Press(5)
    pages = [press.page(number, Print(310, 438, 75, blank=blank, media_type=media_type)) for number in range(9)]
    assert len(set(pages)) == 9


@pytest.mark.slow
def test_ten_pages_a_second_take_little_time() -> None:
    press, look = Press(5), Print(2480, 3508, 300)
    for number in range(3):
        press.page(number, look)
    began = time.process_time()
    for number in range(30):
        press.page(number, look)
    assert time.process_time() - began < 30 * 0.03


def test_drawn_codes_can_be_read() -> None:
    page = pictures.draw_page(1, 2, 1240, 1754, qr="https://example.invalid/7", barcode="690123456789")
    assert cv2.QRCodeDetector().detectAndDecode(page)[0] == "https://example.invalid/7"
    assert cv2.barcode.BarcodeDetector().detectAndDecodeWithType(page)[1] == ("6901234567892",)
    assert np.array_equal(
        page, pictures.draw_page(1, 2, 1240, 1754, qr="https://example.invalid/7", barcode="690123456789")
    )


@pytest.mark.parametrize("digits", ["1", "69012345678a", "6901234567890"])
def test_a_wrong_barcode_is_refused(digits: str) -> None:
    with pytest.raises(ValueError, match="EAN-13"):
        pictures.draw_page(1, 2, 620, 877, barcode=digits)


# --- on the bench ---


def ask(port: int) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/eSCL/ScannerStatus")
        return connection.getresponse().read()
    finally:
        connection.close()


def test_it_is_a_device_of_the_bench(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        bench.add("scanner-1", "scanner_escl", sheets=2, plugged=False)
        address = bench.address("scanner-1")
        match = re.fullmatch(r"escl://127\.0\.0\.1:(\d+)/eSCL", address)
        assert match
        port = int(match[1])
        with pytest.raises(ConnectionRefusedError):
            ask(port)
        bench.do("scanner-1 plug")
        assert bench.address("scanner-1") == address
        assert b"ScannerAdfLoaded" in ask(port)
        assert bench.wait_count("scanner-1", "requests") == 1
        bench.do("scanner-1 unplug")
        with pytest.raises(ConnectionRefusedError):
            ask(port)


@pytest.mark.parametrize(
    "options",
    [
        {"formats": "gif"},
        {"colors": "blue"},
        {"dpi": "1"},
        {"location": "mars"},
        {"prefixes": "a"},
        {"later": 418},
        {"x": 1},
    ],
)
def test_a_wrong_option_is_refused(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(ScenarioError):
        EsclScanner(tmp_path / "scanner", Words.from_options(options), 1)


@pytest.mark.parametrize(
    "line",
    [
        "load",
        "load 0",
        "stop",
        "stop rain",
        "state Asleep",
        "answer get 500",
        "answer post 99",
        "cut 0",
        "damage x",
        "fly",
    ],
)
def test_a_wrong_action_is_refused(scanner: EsclScanner, line: str) -> None:
    with pytest.raises(ScenarioError):
        scanner.do(line)

"""eSCL's words: capabilities, status, settings, places of jobs; and that no answer whatever crashes the driver."""

from __future__ import annotations

import io
import random
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers._escl_caps import Dpi, read_capabilities
from drivers._escl_http import Http, Place
from drivers._escl_scanner import Scanner
from drivers._escl_settings import choose, plainer, write
from drivers._escl_status import read_status
from edge.errors import DeviceError, Unsupported
from edge.events import Scan
from simulators import escl_server, escl_xml
from simulators.escl_state import Reply
from simulators.escl_xml import JobLine, Looks
from tests.drivers.escl_rig import rig

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
GOOD = escl_xml.capabilities(Looks(formats=("image/jpeg", "application/pdf"), ranged=True))

COLORS = st.sampled_from(["RGB24", "Grayscale8", "BlackAndWhite1", "RGB48"])
FORMATS = st.sampled_from(["image/jpeg", "image/png", "application/pdf"])
SPACES = 'xmlns:s="http://schemas.hp.com/imaging/escl/2011/05/03" xmlns:p="http://www.pwg.org/schemas/2010/12/sm"'
WILD = f"""<?xml version="1.0"?>
<s:ScannerCapabilities {SPACES} xmlns:x="urn:x">
 <p:Version>2.1</p:Version><x:MakeAndModel>Other</x:MakeAndModel><p:MakeAndModel> ACME 1 </p:MakeAndModel>
 <s:SettingProfiles><s:SettingProfile name="p1"><s:ColorModes><s:ColorMode>RGB24</s:ColorMode></s:ColorModes>
  <s:DocumentFormats><p:DocumentFormat>image/jpeg</p:DocumentFormat></s:DocumentFormats>
  <s:SupportedResolutions><s:DiscreteResolutions>
   <s:DiscreteResolution><s:XResolution>300</s:XResolution><s:YResolution>600</s:YResolution></s:DiscreteResolution>
   <s:DiscreteResolution><s:XResolution>200</s:XResolution><s:YResolution>200</s:YResolution></s:DiscreteResolution>
  </s:DiscreteResolutions></s:SupportedResolutions></s:SettingProfile></s:SettingProfiles>
 <s:Adf><s:AdfSimplexInputCaps><s:MaxWidth>2550</s:MaxWidth><s:MaxHeight>4200</s:MaxHeight>
  <s:SettingProfiles><s:SettingProfile ref="p1"/></s:SettingProfiles>
  <s:SupportedIntents><s:SupportedIntent>Document</s:SupportedIntent></s:SupportedIntents>
 </s:AdfSimplexInputCaps><s:AdfOptions><s:AdfOption>Duplex</s:AdfOption></s:AdfOptions></s:Adf>
</s:ScannerCapabilities>""".encode()


def as_sorted(numbers: list[int]) -> tuple[int, ...]:
    return tuple(sorted(numbers))


def code_of(work: Callable[[], object]) -> str | None:
    """Return the code of the error that *work* raises."""
    try:
        work()
    except DeviceError as error:
        return error.code
    return None


def test_capabilities_with_shared_profiles_and_foreign_names() -> None:
    found = read_capabilities(WILD)
    assert (found.model, found.platen, found.senses_paper) == ("ACME 1", None, False)
    assert found.feeder is not None
    assert found.both_sides == found.feeder  # only the option says so
    assert found.feeder.profiles[0].dpi == Dpi(ones=(200,))
    assert found.feeder.intents == ("Document",)


def test_status_finds_a_job_however_it_is_written() -> None:
    lines = [JobLine("/eSCL/ScanJobs/17", "urn:uuid:17", "Aborted", "AbortedBySystem")]
    status = read_status(escl_xml.status(Looks(), "Idle", "ScannerAdfJam", lines))
    assert status.job("/eSCL/ScanJobs/17") == "Aborted"
    assert status.job("/other/17/") == "Aborted"
    assert status.job("/eSCL/ScanJobs/18") == ""
    assert status.feeder_trouble == status.standing_trouble == "ESC-131"


@pytest.mark.parametrize(
    ("dpi", "wanted", "got"),
    [
        (Dpi(ones=(75, 300, 600)), 76, 300),
        (Dpi(ones=(300,)), 1200, 300),
        (Dpi(low=100, high=400, step=100), 150, 200),
        (Dpi(low=100, high=450, step=100), 420, 450),
        (Dpi(low=100, high=400, step=100), 75, 100),
        (Dpi(), 240, 240),
    ],
)
def test_resolutions(dpi: Dpi, wanted: int, got: int) -> None:
    assert dpi.nearest(wanted) == got


def test_settings_are_written_in_the_safe_order() -> None:
    wish = choose(read_capabilities(GOOD), Scan(source="feeder", duplex=True), "feeder", "jpeg")
    names = re.findall(r"<(?:scan|pwg):(\w+)", write(wish).decode())
    assert names == [
        "ScanSettings", "Version", "Intent", "ScanRegions", "ScanRegion", "ContentRegionUnits", "XOffset", "YOffset",
        "Width", "Height", "InputSource", "ColorMode", "DocumentFormat", "DocumentFormatExt", "XResolution",
        "YResolution", "Duplex",
    ]  # fmt: skip
    assert escl_xml.read_settings(write(wish)).duplex
    assert b"<pwg:Version>2.0</pwg:Version>" in write(wish)


@QUICK
@given(
    st.builds(
        Looks,
        platen=st.none() | st.tuples(st.integers(16, 9999), st.integers(16, 9999)),
        feeder=st.tuples(st.integers(16, 9999), st.integers(16, 9999)),
        duplex=st.booleans(),
        resolutions=st.lists(st.integers(50, 2400), min_size=1, max_size=4, unique=True).map(as_sorted),
        ranged=st.booleans(),
        colors=st.lists(COLORS, min_size=1, unique=True).map(tuple),
        formats=st.lists(FORMATS, min_size=1, unique=True).map(tuple),
        prefixes=st.sampled_from([("scan", "pwg"), ("", "p"), ("s", "")]),
    ),
    st.builds(
        Scan,
        duplex=st.booleans(),
        color=st.sampled_from(["color", "gray", "mono"]),
        dpi=st.integers(75, 1200),
        size=st.sampled_from(["a3", "a4", "a5", "letter", "legal", "id-card", "max"]),
    ),
    st.sampled_from(["platen", "feeder"]),
    st.sampled_from(["jpeg", "png", "pdf"]),
)  # fmt: skip
def test_no_wish_goes_beyond_what_the_scanner_can(looks: Looks, command: Scan, source: str, form: str) -> None:
    capabilities = read_capabilities(escl_xml.capabilities(looks))
    most = looks.platen if source == "platen" else looks.feeder
    try:
        wish = choose(capabilities, command, source, form)  # type: ignore[arg-type]
    except Unsupported:
        assert most is None
        return
    assert most is not None
    for sent in (wish, plainer(capabilities, wish) or wish):
        wanted = escl_xml.read_settings(write(sent))
        assert wanted.width <= most[0]
        assert wanted.height <= most[1]
        assert wanted.color in looks.colors
        assert wanted.duplex <= looks.duplex
        if looks.ranged:
            assert looks.resolutions[0] <= wanted.dpi <= looks.resolutions[-1]
        else:
            assert wanted.dpi in looks.resolutions
    if wish.mode in ("RGB24", "Grayscale8"):
        assert wish.media_type in looks.formats


@QUICK
@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode), st.integers(0, 2**32))
def test_damaged_xml_is_a_clear_error(noise: bytes, seed: int) -> None:
    chance = random.Random(seed)
    at = chance.randrange(len(GOOD))
    damaged = GOOD[:at] + noise + GOOD[at + chance.randrange(40) :]
    for document in (noise, damaged, GOOD[:at]):
        assert code_of(partial(read_capabilities, document)) in (None, "ESC-104", "ESC-105")
        assert code_of(partial(read_status, document)) in (None, "ESC-104", "ESC-105")


@QUICK
@given(st.text(max_size=80))
def test_a_place_of_a_job_is_a_path_or_refused(location: str) -> None:
    scanner = Scanner(Http(Place("192.0.2.1", 80), lambda: 0.0, lambda: None), "eSCL", 60.0)
    for text in (location, f"http://{location}/ScanJobs/1", f"/eSCL/ScanJobs/{location}", f"ScanJobs/{location}"):
        path = "/"
        with suppress(DeviceError):
            path = scanner.job_path(text)
        assert re.fullmatch(r"/[!-~]*", path)
        assert not set(path) & set("?#")


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("http://192.0.2.1/eSCL/ScanJobs/1", "/eSCL/ScanJobs/1"),
        ("https://[fe80::1ff:fe23/eSCL/ScanJobs/1", "/eSCL/ScanJobs/1"),
        ("/eSCL/ScanJobs/1/", "/eSCL/ScanJobs/1"),
        ("ScanJobs/1", "/eSCL/ScanJobs/1"),
        ("./ScanJobs/1", "/eSCL/ScanJobs/1"),
        ("1", "/eSCL/ScanJobs/1"),
        ("http://printer.invalid:99/other/ScanJobs/a-b?x=1", "/other/ScanJobs/a-b"),
    ],
)
def test_places_of_jobs(location: str, path: str) -> None:
    assert Scanner(Http(Place("192.0.2.1", 80), lambda: 0.0, lambda: None), "eSCL", 60.0).job_path(location) == path


def test_a_simulated_scanner_says_good_xml() -> None:
    for prefixes in (("scan", "pwg"), ("", "p"), ("s", "")):
        root = ET.fromstring(escl_xml.capabilities(Looks(prefixes=prefixes)))  # noqa: S314 - our own
        assert root.tag == f"{{{escl_xml.SCAN}}}ScannerCapabilities"


class Liar:
    """Spoils the bytes that a scanner sends, from the *at*-th request on."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self.honest_for = self._chance.randrange(9)

    def spoil(self, data: bytes) -> bytes:
        self.honest_for -= 1
        if self.honest_for >= 0 or not data:
            return data
        chance = self._chance
        at = chance.randrange(len(data))
        ways = (
            lambda: data[:at],
            lambda: data[:at] + chance.randbytes(chance.randrange(1, 30)) + data[at:],
            lambda: data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :],
            lambda: data + data,
            lambda: re.sub(rb"\d", lambda _: b"%d" % chance.randrange(10), data, count=chance.randrange(9)),
            lambda: chance.randbytes(200),
        )
        return chance.choice(ways)()


@pytest.mark.slow
def test_no_answer_crashes_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers are spoilt byte by byte on the wire: only errors of ours come of it, and never a damaged page."""
    whole = escl_server._Handler._send  # noqa: SLF001
    liar = Liar(0)

    def send(handler: escl_server._Handler, reply: Reply) -> None:
        writer, buffer = handler.wfile, io.BytesIO()
        handler.wfile = buffer
        try:
            whole(handler, reply)
        finally:
            handler.wfile = writer
        handler.wfile.write(liar.spoil(buffer.getvalue()))
        handler.wfile.flush()
        handler.close_connection = True

    monkeypatch.setattr(escl_server._Handler, "_send", send)  # noqa: SLF001
    for seed in range(25):
        liar = Liar(0)
        liar.honest_for = 10
        with rig(tmp_path, {"page_timeout_s": 5}, sheets=2) as one:
            liar = Liar(seed)
            outcome = one.scan(size="id-card")
            assert outcome.error is None or outcome.code is not None
            one.driver.close()
            with suppress(DeviceError):
                one.driver.open()
                one.driver.poll(0)

"""Say and read eSCL's XML (Mopria eSCL; PWG 5100 names), in any order and with any prefixes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

SCAN = "http://schemas.hp.com/imaging/escl/2011/05/03"
PWG = "http://www.pwg.org/schemas/2010/12/sm"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
UNITS_PER_INCH = 300


@dataclass(frozen=True, slots=True)
class Looks:
    """What the scanner says that it is and can; sizes in 1/300 inch."""

    maker: str = "hall-edge"
    model: str = "hall-edge simulated scanner"
    serial: str = "SIM-ESCL-0001"
    uuid: str = "4509a320-00a0-008f-00b6-000000000001"
    version: str = "2.63"
    platen: tuple[int, int] | None = (2550, 3508)
    feeder: tuple[int, int] | None = (2550, 4200)
    duplex: bool = True
    resolutions: tuple[int, ...] = (75, 100, 150, 200, 300, 600)
    ranged: bool = False
    """Whether resolutions are told as a range from the first to the last."""
    colors: tuple[str, ...] = ("Grayscale8", "RGB24")
    formats: tuple[str, ...] = ("image/jpeg",)
    prefixes: tuple[str, str] = ("scan", "pwg")
    options: tuple[str, ...] = ("DetectPaperLoaded",)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The settings of a job; lengths in 1/300 inch."""

    source: str = "Platen"
    x: int = 0
    y: int = 0
    width: int = 2480
    height: int = 3508
    dpi: int = 300
    color: str = "RGB24"
    media_type: str = "image/jpeg"
    duplex: bool = False


@dataclass(slots=True)
class JobLine:
    """A job as the status tells it."""

    uri: str
    uuid: str
    state: str
    reason: str
    completed: int = 0
    to_transfer: int = 0
    age: int = 0


class _Writer:
    """Writes elements with the prefixes of this scanner."""

    def __init__(self, prefixes: tuple[str, str]) -> None:
        self._scan, self._pwg = prefixes

    def scan(self, name: str, *content: object) -> str:
        return self._element(self._scan, name, content)

    def pwg(self, name: str, *content: object) -> str:
        return self._element(self._pwg, name, content)

    def root(self, name: str, *content: str) -> bytes:
        """Write a document; an empty prefix makes its namespace the default one."""
        spaces = "".join(
            f' xmlns{":" if prefix else ""}{prefix}="{space}"'
            for prefix, space in ((self._scan, SCAN), (self._pwg, PWG))
        )
        tag = f"{self._scan}:{name}" if self._scan else name
        return f"{HEAD}<{tag}{spaces}>{''.join(content)}</{tag}>".encode()

    @staticmethod
    def _element(prefix: str, name: str, content: Sequence[object]) -> str:
        tag = f"{prefix}:{name}" if prefix else name
        inner = "".join(
            part if isinstance(part, str) and part.startswith("<") else escape(str(part)) for part in content
        )
        return f"<{tag}>{inner}</{tag}>"


def capabilities(looks: Looks) -> bytes:
    """Write ScannerCapabilities."""
    to = _Writer(looks.prefixes)
    parts = [
        to.pwg("Version", looks.version),
        to.pwg("MakeAndModel", looks.model),
        to.pwg("SerialNumber", looks.serial),
        to.scan("Manufacturer", looks.maker),
        to.scan("UUID", looks.uuid),
    ]
    if looks.platen:
        parts.append(to.scan("Platen", _input(to, "PlatenInputCaps", looks, looks.platen)))
    if looks.feeder:
        kinds = ["AdfSimplexInputCaps", *(["AdfDuplexInputCaps"] if looks.duplex else [])]
        options = [to.scan("AdfOption", option) for option in (*looks.options, *(["Duplex"] if looks.duplex else []))]
        parts.append(
            to.scan(
                "Adf",
                *(_input(to, kind, looks, looks.feeder) for kind in kinds),
                to.scan("FeederCapacity", 80),
                to.scan("AdfOptions", *options),
            )
        )
    return to.root("ScannerCapabilities", *parts)


def _input(to: _Writer, name: str, looks: Looks, most: tuple[int, int]) -> str:
    resolutions = to.scan(
        "DiscreteResolutions",
        *(
            to.scan("DiscreteResolution", to.scan("XResolution", dpi), to.scan("YResolution", dpi))
            for dpi in looks.resolutions
        ),
    )
    if looks.ranged:
        limits = [to.scan("Min", looks.resolutions[0]), to.scan("Max", looks.resolutions[-1])]
        limits += [to.scan("Normal", looks.resolutions[0]), to.scan("Step", 1)]
        resolutions = to.scan("ResolutionRange", to.scan("XResolution", *limits), to.scan("YResolution", *limits))
    formats = [to.pwg("DocumentFormat", one) for one in looks.formats]
    formats += [to.scan("DocumentFormatExt", one) for one in looks.formats]
    profile = to.scan(
        "SettingProfile",
        to.scan("ColorModes", *(to.scan("ColorMode", color) for color in looks.colors)),
        to.scan("DocumentFormats", *formats),
        to.scan("SupportedResolutions", resolutions),
    )
    return to.scan(
        name,
        to.scan("MinWidth", 16),
        to.scan("MaxWidth", most[0]),
        to.scan("MinHeight", 16),
        to.scan("MaxHeight", most[1]),
        to.scan("MaxScanRegions", 1),
        to.scan("SettingProfiles", profile),
        to.scan("SupportedIntents", to.scan("Intent", "Document"), to.scan("Intent", "Photo")),
    )


def status(looks: Looks, state: str, adf: str, jobs: Sequence[JobLine]) -> bytes:
    """Write ScannerStatus; *adf* is said only by a scanner with a feeder."""
    to = _Writer(looks.prefixes)
    lines = [
        to.scan(
            "JobInfo",
            to.pwg("JobUri", job.uri),
            to.pwg("JobUuid", job.uuid),
            to.scan("Age", job.age),
            to.pwg("ImagesCompleted", job.completed),
            to.pwg("ImagesToTransfer", job.to_transfer),
            to.pwg("JobState", job.state),
            to.pwg("JobStateReasons", to.pwg("JobStateReason", job.reason)),
        )
        for job in jobs
    ]
    parts = [to.pwg("Version", looks.version), to.pwg("State", state)]
    if looks.feeder:
        parts.append(to.scan("AdfState", adf))
    return to.root("ScannerStatus", *parts, to.scan("Jobs", *lines))


def image_info(looks: Looks, uri: str, uuid: str, width: int, height: int) -> bytes:
    """Write ScanImageInfo: the size of the page in pixels."""
    to = _Writer(looks.prefixes)
    return to.root(
        "ScanImageInfo",
        to.pwg("JobUri", uri),
        to.pwg("JobUuid", uuid),
        to.scan("ActualWidth", width),
        to.scan("ActualHeight", height),
        to.scan("ActualBytesPerLine", 3 * width),
    )


@dataclass(slots=True)
class _Found:
    """The text of every element of a document by its local name; the last of a name counts."""

    texts: dict[str, str] = field(default_factory=dict)

    def number(self, name: str, default: int) -> int:
        return int(self.texts.get(name, default))


def read_settings(document: bytes) -> Wanted:
    """Read ScanSettings; ValueError when it is none."""
    try:
        tree = ET.fromstring(document)  # noqa: S314 - a simulator's only client is ours
    except ET.ParseError as error:
        raise ValueError("no XML") from error
    if _local(tree.tag) != "ScanSettings":
        raise ValueError("no ScanSettings")
    found = _Found({_local(element.tag): (element.text or "").strip() for element in tree.iter()})
    names: Mapping[str, str] = found.texts
    default = Wanted()
    return Wanted(
        source=names.get("InputSource", default.source),
        x=found.number("XOffset", 0),
        y=found.number("YOffset", 0),
        width=found.number("Width", default.width),
        height=found.number("Height", default.height),
        dpi=found.number("XResolution", default.dpi),
        color=names.get("ColorMode", default.color),
        media_type=names.get("DocumentFormatExt") or names.get("DocumentFormat", default.media_type),
        duplex=names.get("Duplex", "false").lower() in {"true", "1"},
    )


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]

"""ScanSettings: what a command asks for, cut down to what the scanner can (Mopria eSCL). No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal
from xml.sax.saxutils import escape

from drivers._escl_caps import UNITS_PER_INCH, Capabilities, Input, Profile
from drivers._escl_problems import error
from drivers._escl_xml import PWG, SCAN
from drivers._scan_job import PAPER_MM
from edge.events import ColorMode, Scan, Source

JPEG, PNG, PDF, TIFF = "image/jpeg", "image/png", "application/pdf", "image/tiff"
_MM_PER_INCH = 25.4
_MODES: Mapping[ColorMode, tuple[str, ...]] = {
    "color": ("RGB24", "RGB48", "Grayscale8", "Grayscale16", "BlackAndWhite1"),
    "gray": ("Grayscale8", "Grayscale16", "RGB24", "RGB48", "BlackAndWhite1"),
    "mono": ("BlackAndWhite1", "Grayscale8", "Grayscale16", "RGB24", "RGB48"),
}
"""Modes by what was asked for, best first."""
_COLORS: Mapping[str, ColorMode] = {"R": "color", "G": "gray", "B": "mono"}
_JPEG_MODES = ("RGB24", "Grayscale8")
_SINGLE: Mapping[str, tuple[str, ...]] = {"jpeg": (JPEG, PNG), "png": (PNG, JPEG), "pdf": (JPEG, PNG)}
"""Formats that hold one page, by the wanted one, best first."""
_MANY = (PDF, TIFF)
"""Formats into which a feeder may put all pages: only where it has no other."""


@dataclass(frozen=True)
class Wish:
    """The settings of one job, as they are sent. Lengths in 1/300 inch."""

    source: Source
    duplex: bool
    mode: str
    dpi: int
    width: int
    height: int
    media_type: str
    ext: bool
    """Whether the scanner knows DocumentFormatExt (eSCL 2.1 and later)."""
    intent: str = ""

    @property
    def color(self) -> ColorMode:
        """What the pages will be."""
        return _COLORS.get(self.mode[:1], "color")


def choose(capabilities: Capabilities, command: Scan, source: Source, form: Literal["jpeg", "png", "pdf"]) -> Wish:
    """Return the nearest to *command* that the scanner can do; raises ESC-123 for a source that it has not."""
    duplex = command.duplex and source == "feeder" and capabilities.both_sides is not None
    given = capabilities.platen if source == "platen" else capabilities.both_sides if duplex else capabilities.feeder
    if given is None:
        raise error("ESC-123")
    profile, mode, media_type = _profile(given, command.color, _tiers(form, source))
    width, height = _region(given, command.size)
    return Wish(
        source=source,
        duplex=duplex,
        mode=mode,
        dpi=profile.dpi.nearest(command.dpi),
        width=width,
        height=height,
        media_type=media_type,
        ext=media_type in profile.ext_formats,
        intent="Document" if "Document" in given.intents else "",
    )


def plainer(capabilities: Capabilities, wish: Wish) -> Wish | None:
    """Return what may be taken where *wish* was rejected; ``None``: there is nothing plainer."""
    given = capabilities.platen if wish.source == "platen" else capabilities.feeder
    if given is None:
        return None
    profile = given.profiles[0]
    colors = profile.colors or (wish.mode,)
    plain = replace(
        wish,
        mode=next((mode for mode in ("RGB24", "Grayscale8") if mode in colors), wish.mode),
        dpi=profile.dpi.nearest(UNITS_PER_INCH),
        width=given.max_width,
        height=given.max_height,
        media_type=JPEG if JPEG in (*profile.formats, *profile.ext_formats) else wish.media_type,
        ext=False,
        intent="",
    )
    return None if plain == wish else plain


def write(wish: Wish) -> bytes:
    """Return ScanSettings, in the order that every firmware takes."""
    region = "".join(
        f"<pwg:{name}>{value}</pwg:{name}>"
        for name, value in (
            ("ContentRegionUnits", "escl:ThreeHundredthsOfInches"),
            ("XOffset", 0),
            ("YOffset", 0),
            ("Width", wish.width),
            ("Height", wish.height),
        )
    )
    parts = [
        "<pwg:Version>2.0</pwg:Version>",
        f"<scan:Intent>{escape(wish.intent)}</scan:Intent>" if wish.intent else "",
        f"<pwg:ScanRegions><pwg:ScanRegion>{region}</pwg:ScanRegion></pwg:ScanRegions>",
        f"<pwg:InputSource>{'Feeder' if wish.source == 'feeder' else 'Platen'}</pwg:InputSource>",
        f"<scan:ColorMode>{escape(wish.mode)}</scan:ColorMode>",
        f"<pwg:DocumentFormat>{wish.media_type}</pwg:DocumentFormat>",
        f"<scan:DocumentFormatExt>{wish.media_type}</scan:DocumentFormatExt>" if wish.ext else "",
        f"<scan:XResolution>{wish.dpi}</scan:XResolution><scan:YResolution>{wish.dpi}</scan:YResolution>",
        f"<scan:Duplex>{'true' if wish.duplex else 'false'}</scan:Duplex>" if wish.source == "feeder" else "",
    ]
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return (
        f'{head}<scan:ScanSettings xmlns:scan="{SCAN}" xmlns:pwg="{PWG}">{"".join(parts)}</scan:ScanSettings>'.encode()
    )


def _tiers(form: str, source: Source) -> tuple[tuple[str, ...], ...]:
    """Return formats, best first; those of a later tier are taken only where nothing of an earlier one goes."""
    if source == "feeder":
        return _SINGLE[form], _MANY
    return ((PDF, *_SINGLE[form], TIFF) if form == "pdf" else (*_SINGLE[form], TIFF, PDF),)


def _profile(given: Input, color: ColorMode, tiers: Sequence[Sequence[str]]) -> tuple[Profile, str, str]:
    """Return the profile, mode and media type that come nearest."""
    every = [(mode, media_type) for formats in tiers for mode in _MODES[color] for media_type in formats]
    for mode, media_type in every:
        if media_type == JPEG and mode not in _JPEG_MODES:
            continue
        for profile in given.profiles:
            offered = (*profile.formats, *profile.ext_formats) or (JPEG,)
            if mode in (profile.colors or _JPEG_MODES) and media_type in offered:
                return profile, mode, media_type
    profile = given.profiles[0]  # it names nothing that we know: the scanner must say whether it takes the usual
    return profile, next((one for one in _MODES[color] if one in profile.colors), "RGB24"), JPEG


def _region(given: Input, size: str) -> tuple[int, int]:
    """Return width and height of the paper, as far as the scanner reaches."""
    if size == "max":
        return given.max_width, given.max_height
    width, height = (round(side / _MM_PER_INCH * UNITS_PER_INCH) for side in PAPER_MM[size])
    return (
        min(max(width, given.min_width), given.max_width),
        min(max(height, given.min_height), given.max_height),
    )

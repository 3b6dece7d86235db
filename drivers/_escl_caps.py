"""ScannerCapabilities: what the scanner is and can (Mopria eSCL). Lengths in 1/300 inch. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from drivers import _escl_xml as xml
from drivers._escl_problems import device_error
from drivers._escl_xml import Node

UNITS_PER_INCH = 300
_MAX_SIDE = 100 * UNITS_PER_INCH
_MAX_WORD = 60


@dataclass(frozen=True)
class Dpi:
    """Resolutions: single ones, or all of a range in steps."""

    ones: tuple[int, ...] = ()
    low: int = 0
    high: int = 0
    step: int = 1

    def nearest(self, wanted: int) -> int:
        """Return the lowest resolution that is not below *wanted*, else the highest."""
        if self.ones:
            return min((one for one in self.ones if one >= wanted), default=max(self.ones))
        if not self.high:
            return wanted
        inside = min(max(wanted, self.low), self.high)
        stepped = self.low + -(-(inside - self.low) // self.step) * self.step
        return min(stepped, self.high)


@dataclass(frozen=True)
class Profile:
    """What goes together."""

    colors: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    ext_formats: tuple[str, ...] = ()
    dpi: Dpi = Dpi()


@dataclass(frozen=True)
class Input:
    """The glass, or one way of feeding."""

    min_width: int
    max_width: int
    min_height: int
    max_height: int
    intents: tuple[str, ...] = ()
    profiles: tuple[Profile, ...] = ()


@dataclass(frozen=True)
class Capabilities:
    """A whole scanner. ``both_sides``: the feeder when it scans both sides."""

    model: str
    maker: str
    serial: str
    version: str
    platen: Input | None = None
    feeder: Input | None = None
    both_sides: Input | None = None
    senses_paper: bool = False


def read_capabilities(document: bytes) -> Capabilities:
    """Return what *document* says; raises ``DeviceProtocol`` where it tells of no source."""
    root = xml.parse(document, "ScannerCapabilities")
    shared = {profile.attributes.get("name", ""): profile for profile in root.all("SettingProfiles", "SettingProfile")}
    adf = root.first("Adf")
    options = set(adf.words("AdfOptions", "AdfOption")) if adf else set()
    feeder = _input(adf, "AdfSimplexInputCaps", shared) if adf else None
    both = _input(adf, "AdfDuplexInputCaps", shared) if adf else None
    if both is None and "Duplex" in options:
        both = feeder
    found = Capabilities(
        model=_shown(root.word("MakeAndModel")),
        maker=_shown(root.word("Manufacturer")),
        serial=root.word("SerialNumber") or root.word("UUID"),
        version=_shown(root.word("Version")),
        platen=_input(root, "PlatenInputCaps", shared, "Platen"),
        feeder=feeder or both,
        both_sides=both,
        senses_paper="DetectPaperLoaded" in options,
    )
    if found.platen is None and found.feeder is None:
        raise device_error("ESC-105")
    return found


def _input(parent: Node, name: str, shared: dict[str, Node], *above: str) -> Input | None:
    node = parent.first(*above, name)
    if node is None:
        return None
    widest, highest = node.number("MaxWidth"), node.number("MaxHeight")
    if not widest or not highest:
        return None
    profiles = [
        _profile(shared.get(one.attributes.get("ref", ""), one))
        for one in node.all("SettingProfiles", "SettingProfile")
    ]
    return Input(
        min_width=min(node.number("MinWidth") or 1, widest),
        max_width=min(widest, _MAX_SIDE),
        min_height=min(node.number("MinHeight") or 1, highest),
        max_height=min(highest, _MAX_SIDE),
        intents=(*node.words("SupportedIntents", "Intent"), *node.words("SupportedIntents", "SupportedIntent")),
        profiles=tuple(profiles) or (Profile(),),
    )


def _profile(node: Node) -> Profile:
    return Profile(
        colors=tuple(node.words("ColorModes", "ColorMode")),
        formats=tuple(node.words("DocumentFormats", "DocumentFormat")),
        ext_formats=tuple(node.words("DocumentFormats", "DocumentFormatExt")),
        dpi=_dpi(node.first("SupportedResolutions")),
    )


def _dpi(node: Node | None) -> Dpi:
    """Return the resolutions that are the same across and down."""
    if node is None:
        return Dpi()
    ones = [
        across
        for one in node.all("DiscreteResolutions", "DiscreteResolution")
        if (across := one.number("XResolution")) and one.number("YResolution") in (across, None)
    ]
    limits = node.first("ResolutionRange", "XResolution") or node.first("ResolutionRange", "XResolutionRange")
    if ones or limits is None:
        return Dpi(ones=tuple(ones))
    low, high = limits.number("Min") or 1, limits.number("Max") or 0
    return Dpi(low=min(low, high), high=high, step=max(1, limits.number("Step") or 1))


def _shown(text: str) -> str:
    """Return what a device calls itself, as it may be shown."""
    return "".join(char for char in text if char.isprintable())[:_MAX_WORD].strip()

"""Set a scanner up for one job: source, colour, resolution and area, as near to what is asked for as it can."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from drivers import _sane_words as words
from drivers._sane_abi import Unit, ValueType
from drivers._sane_library import Option, SaneError, Value
from drivers._sane_status import CODES, device_error, error
from drivers._scan_job import PAPER_MM
from edge.errors import DeviceProtocol, quoted
from edge.events import ColorMode, Scan, Source

_MM_PER_INCH = 25.4
_SECOND_BEST: Mapping[ColorMode, tuple[ColorMode, ...]] = {
    "color": ("color", "gray", "mono"),
    "gray": ("gray", "color", "mono"),
    "mono": ("mono", "gray", "color"),
}


class Device(Protocol):
    """What of an open scanner is set here."""

    @property
    def options(self) -> Mapping[str, Option]: ...
    def get(self, option: Option) -> Value | None: ...
    def set(self, option: Option, value: Value) -> None: ...


@dataclass(frozen=True)
class Ready:
    """How the scanner is set up now."""

    source: Source
    duplex: bool
    dpi: int


def sources(device: Device, scan: Scan) -> list[Source]:
    """Return where *scan* may look for paper, best first; raises ``Unsupported``."""
    offered = {kind.source for _, kind in _papers(device)}
    wanted: list[Source] = ["feeder", "platen"] if scan.source == "auto" else [scan.source]
    if not offered:  # a scanner with one source does not name it
        return ["platen"] if scan.source == "auto" else wanted
    found = [source for source in wanted if source in offered]
    if not found:
        raise error("SAN-120")
    return found[1:] if len(found) > 1 and feeder_is_empty(device) else found


def check_extras(device: Device, extras: Mapping[str, Value]) -> None:
    """Raise ``DeviceProtocol`` when the scanner has none of the *extras*."""
    for name in extras:
        if name not in device.options:
            raise _bad_extra(name)


def set_up(device: Device, scan: Scan, source: Source, extras: Mapping[str, Value]) -> Ready:
    """Set everything for *scan* from *source*; raises :class:`SaneError`, or ``DeviceProtocol`` for *extras*."""
    _put(device, words.PREVIEW, value=False)
    duplex = _choose_source(device, source, duplex=scan.duplex and source == "feeder")
    if source == "feeder":
        for name, wanted in words.FEEDING:
            _put(device, name, value=wanted)
    _choose_mode(device, scan.color)
    for names in words.RESOLUTIONS:
        for name in names:
            _put(device, name, value=float(scan.dpi))
    dpi = _resolution(device, scan.dpi)
    _choose_area(device, scan.size, dpi)
    for name, value in extras.items():
        try:
            device.set(device.options[name], value)
        except (KeyError, ValueError, SaneError) as cause:
            raise _bad_extra(name) from cause
    return Ready(source, duplex, _resolution(device, dpi))


def fitting(option: Option, value: Value) -> Value | None:
    """Return the nearest to *value* that the option takes; ``None``: nothing like it."""
    if option.type is ValueType.BOOL or isinstance(value, bool):
        return value if option.type is ValueType.BOOL and isinstance(value, bool) else None
    if isinstance(value, str):
        return value if option.type is ValueType.STRING and value in (option.choices or (value,)) else None
    if option.type not in (ValueType.INT, ValueType.FIXED):
        return None
    number = float(value)
    numbers = [choice for choice in option.choices if isinstance(choice, int | float)]
    if numbers:
        number = float(min(numbers, key=lambda choice: (abs(choice - number), -choice)))
    elif option.range is not None:
        number = max(option.range.low, min(number, option.range.high))
        if option.range.step:
            number = option.range.low + round((number - option.range.low) / option.range.step) * option.range.step
    return round(number) if option.type is ValueType.INT else number


def _put(device: Device, name: str, *, value: Value) -> bool:
    """Set option *name* to what fits *value* best; return whether it was there to be set."""
    option = device.options.get(name)
    if option is None or not option.settable or (fit := fitting(option, value)) is None:
        return False
    if not option.active or device.get(option) != fit:
        device.set(option, fit)
    return True


def _names(device: Device, name: str) -> list[str]:
    option = device.options.get(name)
    return [choice for choice in option.choices if isinstance(choice, str)] if option and option.settable else []


def _papers(device: Device) -> Iterable[tuple[str, words.Paper]]:
    for name in sorted(_names(device, "source"), key=len):
        kind = words.paper(name)
        if kind is not None:
            yield name, kind


def feeder_is_empty(device: Device) -> bool | None:
    """Return whether a sensor says so; ``None``: there is none."""
    sensors = (device.options.get(name) for name in words.LOADED)
    said = [device.get(one) is False for one in sensors if one is not None and one.active]
    return any(said) if said else None


def _choose_source(device: Device, source: Source, *, duplex: bool) -> bool:
    """Set source and sides; return whether both sides will come."""
    offered = {kind: name for name, kind in reversed(list(_papers(device))) if kind.source == source}
    both, one = words.Paper(source, "both"), words.Paper(source)
    chosen = both if offered.keys() == {both} or (duplex and both in offered) else one
    if chosen in offered:
        _put(device, "source", value=offered[chosen])
    switched = _switch_duplex(device, duplex=duplex) if chosen is not both else True
    return switched and source == "feeder"


def _switch_duplex(device: Device, *, duplex: bool) -> bool:
    """Set the options beside ``source`` that mean both sides; return whether they are on."""
    for name in words.DUPLEX_OPTIONS:
        option = device.options.get(name)
        if option is None:
            continue
        value = duplex if option.type is ValueType.BOOL else words.sides(_names(device, name), duplex=duplex)
        if value is not None and _put(device, name, value=value):
            return duplex
    return False


def _choose_mode(device: Device, wanted: ColorMode) -> None:
    kinds: dict[ColorMode, str] = {}
    for name in sorted(_names(device, "mode"), key=len):
        if (kind := words.color(name)) is not None:
            kinds.setdefault(kind, name)
    depth = device.options.get("depth")
    one_bit = wanted == "mono" and "mono" not in kinds and depth is not None and 1 in depth.choices
    order = _SECOND_BEST[wanted]
    chosen = next((kinds[kind] for kind in (order[1:] if one_bit else order) if kind in kinds), None)
    if chosen is not None:
        _put(device, "mode", value=chosen)
    _put(device, "depth", value=1 if one_bit else 8)


def _resolution(device: Device, otherwise: int) -> int:
    for names in words.RESOLUTIONS:
        option = device.options.get(names[0])
        value = device.get(option) if option is not None else None
        if isinstance(value, int | float) and value >= 1:
            return round(value)
    return otherwise


def _choose_area(device: Device, size: str, dpi: int) -> None:
    """Set the area to the paper's size from the corner, or to all there is."""
    paper_mm = PAPER_MM.get(size, (float("inf"), float("inf")))
    for names, length_mm in zip(words.PAGE_SIZES, paper_mm, strict=True):
        for name in names:
            _put_length(device, name, length_mm, dpi)
    for axis, length_mm in zip("xy", paper_mm, strict=True):
        corner = _put_length(device, f"tl-{axis}", 0.0, dpi)
        _put_length(device, f"br-{axis}", corner + length_mm, dpi)


def _put_length(device: Device, name: str, length_mm: float, dpi: int) -> float:
    """Set a length and return what it became, in mm."""
    option = device.options.get(name)
    if option is None or option.type not in (ValueType.INT, ValueType.FIXED):
        return 0.0
    unit_mm = _MM_PER_INCH / dpi if option.unit is Unit.PIXEL else 1.0
    highest = option.range.high if option.range else max((float(one) for one in option.choices), default=0.0)
    if length_mm == float("inf") and not highest:
        return 0.0
    _put(device, name, value=min(length_mm / unit_mm, highest) if highest else length_mm / unit_mm)
    now = device.get(device.options.get(name, option))
    return float(now) * unit_mm if isinstance(now, int | float) else 0.0


def _bad_extra(name: str) -> DeviceProtocol:
    code = "SAN-122"
    return DeviceProtocol(f"{CODES[code]}: {quoted(name)}", code=code, action=device_error(code).action)

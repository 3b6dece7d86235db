"""What backends call their paper sources and colour modes: one table, matched in this order, case ignored.

The names are those of sane-backends 1.0 to 1.3, sane-airscan, hpaio, epkowa, brscan and Kylin/UOS vendor backends,
which are partly Chinese. A name that fits no row is left to the setting ``options``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from edge.events import ColorMode, Source

Sides = Literal["front", "both"]


@dataclass(frozen=True)
class Paper:
    """Where a page lies and which sides are scanned."""

    source: Source
    sides: Sides = "front"


_NOT_PAPER = r"transparen|tpu|\btma\b|film|slide|negative|photo ?adapter|camera|manual|card|透|胶片|手动|卡片"
_BACK_ONLY = r"\bback\b(?!.*front)|反面|背面"
_SOURCES: tuple[tuple[str, Paper | None], ...] = (
    (_NOT_PAPER, None),
    (r"front.*(and|\+|&).*back|duplex|both|two.?sided|double.?sided|双面", Paper("feeder", "both")),
    (_BACK_ONLY, None),
    (r"adf|feeder|sheet.?fed|进纸|馈纸|送稿|单面", Paper("feeder")),
    (r"flat ?bed|platen|document ?table|glass|^fb$|^normal$|平板|平台", Paper("platen")),
)
_MODES: tuple[tuple[str, ColorMode | None], ...] = (
    (r"halftone|diffusion|dither|auto|infrared|\bir\b|\b4.?bit|半色调|抖动", None),
    (r"line ?art|binary|mono|black ?(and|&|/) ?white|\bbw\b|b ?& ?w|text|黑白|二值", "mono"),
    (r"gr[ae]y|灰", "gray"),
    (r"colou?r|rgb|彩", "color"),
)
DUPLEX_OPTIONS = ("duplex", "adf-mode", "adf_mode", "duplex-scan", "double-sided")
"""Options beside ``source`` that say whether both sides are scanned: a switch, or a list with a duplex row."""
RESOLUTIONS = (("resolution",), ("x-resolution", "y-resolution"))
PAGE_SIZES = (("page-width", "pagewidth", "paper-width"), ("page-height", "pageheight", "paper-height"))
"""What feeders that centre their paper want to know before the area is set: width and height."""
PREVIEW = "preview"
FEEDING: tuple[tuple[str, str | bool], ...] = (("feeder-mode", "continuous"), ("batch-scan", True))
"""What makes some feeders go on after the first sheet."""
LOADED = ("page-loaded", "adf-loaded", "doc-in-adf")
"""Switches that can be read: whether paper lies in the feeder."""
TEST_BACKEND = frozenset({"test-picture", "read-return-value", "fuzzy-parameters"})
"""Options by which SANE's own test backend shows that it is one, whatever its device is called."""
SIMULATED = "hall-edge simulated"
"""Stands in the model name of simulators, and so in the name of a device that was found by its model."""
_DUPLEX = re.compile(r"duplex|both|双面", re.IGNORECASE)
_SIMPLEX = re.compile(r"simplex|single|单面", re.IGNORECASE)


def paper(name: str) -> Paper | None:
    """Return what the source *name* scans; ``None``: no paper, or nothing we know."""
    return next((kind for pattern, kind in _SOURCES if re.search(pattern, name, re.IGNORECASE)), None)


def color(name: str) -> ColorMode | None:
    """Return what the mode *name* gives; ``None``: nothing that we ask for."""
    return next((kind for pattern, kind in _MODES if re.search(pattern, name, re.IGNORECASE)), None)


def sides(names: Iterable[str], *, duplex: bool) -> str | None:
    """Return which of a duplex option's *names* means both sides, or one; ``None``: none of them."""
    wanted = _DUPLEX if duplex else _SIMPLEX
    return next((name for name in names if wanted.search(name)), None)

"""What a scanner of SANE can be told in its ``[[device]]`` table, and how its address is written."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from drivers._scan_job import PageSettings
from edge.links.address import AddressForm, pattern_check

ADDRESS = AddressForm(
    "sane:",
    pattern_check(r"[^\s:?&%][^\x00-\x1f?&\x7f]{0,200}", "sane:NAME, with a name that `scanimage -L` shows"),
    {"config": re.compile(r"/[^\x00-\x1f]{0,200}")},
)


class SaneSettings(PageSettings, frozen=True, kw_only=True):
    """Keys of the ``[[device]]`` table."""

    jpeg_quality: Annotated[int, Meta(ge=1, le=100)] = 85
    rotate_back: bool = False
    hold: bool = False
    probe_s: Annotated[float, Meta(ge=0, le=3600)] = 30.0
    options: dict[str, str | int | float | bool] = msgspec.field(default_factory=dict)

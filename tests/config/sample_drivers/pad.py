"""A driver with one setting."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from edge.driver import Settings
from tests.config.sample_drivers._helper import Quiet


class PadSettings(Settings, frozen=True, kw_only=True):
    timeout_s: Annotated[int, Meta(ge=3, le=180)] = 30


class PadDriver(Quiet):
    kind = "evaluation-pad"
    settings_type = PadSettings

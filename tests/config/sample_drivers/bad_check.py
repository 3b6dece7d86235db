"""Its own check fails, as foreign code may."""

from __future__ import annotations

from edge.driver import Settings
from tests.config.sample_drivers._helper import Quiet


class FailingSettings(Settings, frozen=True, kw_only=True):
    def problems(self) -> dict[str, str]:
        raise KeyError("no idea")


class FailingDriver(Quiet):
    kind = "id-card"
    settings_type = FailingSettings

"""A driver with every sort of setting."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge.driver import Settings
from tests.config.sample_drivers._helper import Quiet


class Lamp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    colour: Literal["red", "green"]
    blink_s: Annotated[float, Meta(gt=0, le=2)] = 0.5


class CardSettings(Settings, frozen=True, kw_only=True):
    read: Literal["presence", "verify", "fields", "full"] = "verify"
    fields: Annotated[tuple[Literal["name", "number", "address"], ...], Meta(max_length=3)] = ()
    purpose: Annotated[str, Meta(max_length=40)] | None = None
    retries: Annotated[int, "for a person", Meta(ge=0)] = 3
    serial: Annotated[str, Meta(pattern="^[0-9]+$")] | None = None
    password: Annotated[str, Meta(max_length=8)] | None = None
    lamp: Lamp | None = None
    lamps: tuple[Lamp, ...] = ()
    levels: dict[str, Annotated[int, Meta(ge=1, le=5)]] = msgspec.field(default_factory=dict)
    pair: tuple[int, str] | None = None
    size: int | Literal["auto"] = "auto"
    opens: dt.time | None = None

    def __post_init__(self) -> None:
        if self.retries == 13:
            raise ValueError("thirteen is unlucky")

    def problems(self) -> dict[str, str]:
        if self.read == "fields" and not self.fields:
            return {"fields": 'read = "fields" needs a list of them'}
        return {"purpose": 'read = "full" needs one'} if self.read == "full" and not self.purpose else {}

    def needs_sealing(self) -> bool:
        return self.read in {"fields", "full"}


class CardDriver(Quiet):
    kind = "id-card"
    settings_type = CardSettings

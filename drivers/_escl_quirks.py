"""What single makes of scanners need: rows of ``escl_quirks.toml``, and what a window's configuration adds."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

_TABLE = Path(__file__).with_name("escl_quirks.toml")


class Quirks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``None``: as the standard says, or as an earlier row does."""

    host: Literal["localhost"] | None = None
    """What the Host header must say."""
    port_in_host: bool | None = None
    """The Host header needs its port, also the usual one."""
    retry_on_404: bool | None = None
    """404 and 410 end a job only when the status says so too."""
    page_delay: Annotated[float, Meta(ge=0, le=10)] | None = None
    """Wait before the next page, as a multiple of the time that the last one took to load."""
    check_feeder_first: bool | None = None
    """Never send a job to an empty feeder, even where its sensor is not trusted."""
    empty_states: tuple[str, ...] | None = None
    """Further values of AdfState that mean an empty feeder once a job was refused."""
    busy_when_testing: bool | None = None
    """Wait until the scanner has warmed up (state Testing)."""
    back_rotated: bool | None = None
    """Back sides come upside down: mark them so (EXIF orientation; the picture itself stays as it is)."""
    resends_pages: bool | None = None
    """A page whose transfer broke comes again when it is asked for again."""


class _Row(Quirks, frozen=True, kw_only=True, forbid_unknown_fields=True):
    why: str
    model: str = "*"
    maker: str = "*"
    server: str = "*"

    def fits(self, model: str, maker: str, server: str) -> bool:
        said = ((self.model, model), (self.maker, maker), (self.server, server))
        return all(fnmatchcase(text.lower(), pattern.lower()) for pattern, text in said)


@cache
def rows() -> tuple[_Row, ...]:
    """Return the table, checked."""
    table = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    return msgspec.convert(table["scanner"], tuple[_Row, ...])


def quirks_of(model: str, maker: str, server: str, own: Quirks) -> Quirks:
    """Return what all rows that fit say together, and *own* above them."""
    merged: dict[str, object] = {}
    for one in (*(row for row in rows() if row.fits(model, maker, server)), own):
        said = {name: getattr(one, name) for name in Quirks.__struct_fields__}
        merged |= {name: value for name, value in said.items() if value is not None}
    return msgspec.convert(merged, Quirks)

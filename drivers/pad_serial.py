"""Evaluation pads (好差评评价器) on a serial line, each dialect described by a profile.

What it is
    A pad with keys for five levels. A profile (``drivers/pads/*.toml`` or a file of the hall; the language is
    in ``docs/pads.md``) says how its frames look and what its keys mean; this file knows no pad.

Configuration::

    [[device]]
    name = "pad-1"
    driver = "pad_serial"
    address = "serial:///dev/hall-edge/pad"
    profile = "aa55_xor"             # or "/etc/hall-edge/pads/ours.toml"

    Optional: pad_address = 1, too_fast_s = 1.0, burst_count = 3, burst_window_s = 10.0, answer_s = 2.0

What it needs
    Read and write access to the serial node (group dialout, or the shipped udev rule).

What its simulator does not do
    Show pictures, speak, keep a key through a power cut, or answer a request with a refusal.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from drivers import _pad_session as session
from drivers._pad_profile import Way
from drivers._serial_ports import NEEDS, unsure_offer
from edge.driver import Port
from edge.plugging.plugged import Offer, Plugged

CODES = session.CODES
LIKELY_PROFILE = "aa55_xor"


class PadSettings(session.SessionSettings, frozen=True, kw_only=True):
    """Keys of the ``[[device]]`` table."""

    ways: ClassVar[tuple[Way, ...]] = ("serial",)

    pad_address: Annotated[int, Meta(ge=0, le=255)] = 1

    @property
    def own_address(self) -> int:
        return self.pad_address


class SerialPad(session.EvaluationPad):
    """An evaluation pad, as its profile describes it."""

    settings_type = PadSettings
    needs = NEEDS
    public_traffic = True

    def __init__(self, settings: PadSettings, port: Port) -> None:
        super().__init__(settings, port)

    @classmethod
    def fits(cls, found: Plugged) -> Offer | None:
        """Offer serial ports: a pad may be behind any, and none tells its dialect."""
        return unsure_offer(found, profile=LIKELY_PROFILE)

"""Evaluation pads (好差评评价器) on USB as a HID device, each dialect described by a profile.

What it is
    A pad that types its keys like a keyboard, or that speaks in reports of its vendor. A profile
    (``drivers/pads/hid_*.toml`` or a file of the hall; the language is in ``docs/pads.md``) says which of the two,
    and what its keys mean; no code knows a pad. A keyboard is taken for the daemon alone (``EVIOCGRAB``), so that
    no rating is typed into the window that has the focus.

Configuration::

    [[device]]
    name = "pad-1"
    driver = "pad_hid"
    address = "hid:0483:5750"        # or "hid:0483:5750?port=1-1.4", "hid:///dev/input/by-id/…-event-kbd"
    profile = "hid_keys"             # or "hid_reports", "/etc/hall-edge/pads/ours.toml"

    Optional: too_fast_s = 1.0, burst_count = 3, burst_window_s = 10.0, answer_s = 2.0

What it needs
    Read (reports: and write) access to the node, ``/dev/input/event…`` or ``/dev/hidraw…``: a udev rule for this
    vendor and product. Not the group ``input``: that would open every keyboard of the PC.

What its simulator does not do
    Be a node of the kernel: it is a UNIX socket, without ids, a report descriptor or other keyboards beside it.
"""

from __future__ import annotations

import re
from typing import ClassVar

from drivers import _pad_session as session
from drivers._pad_profile import Way
from drivers._substitute_pad import HidPadSubstitute
from edge.driver import Port
from edge.links.address import HID, HID_NODE, REPLAY
from edge.needs import Match, Needs
from edge.plugging.plugged import Offer, Plugged, address_of

CODES = session.CODES
_HID, _KEYBOARD = 3, (3, 1, 1)
_LIKE_A_PAD = re.compile(r"ping\s?jia|评价|满意|evaluat|satisf|feedback|key\s?pad|num\s?pad|数字键盘", re.IGNORECASE)
SURELY_A_PAD = "*[Ee]valuat*|*EVALUAT*|*[Ss]atisf*|*SATISF*|*[Pp]ing[Jj]ia*|*[Pp]ing [Jj]ia*|*评价*|*满意*"
NEEDS = Needs(
    devices=("char-hidraw", "char-input"),
    matches=(
        Match(subsystem="hidraw", product=SURELY_A_PAD),
        Match(subsystem="input", product=SURELY_A_PAD, properties={"ID_INPUT_KEYBOARD": "1"}),
    ),
)
"""A numeric keypad may be the clerk's: whoever sets the window up says which is the pad."""


class HidPadSettings(session.SessionSettings, frozen=True, kw_only=True):
    """Keys of the ``[[device]]`` table."""

    ways: ClassVar[tuple[Way, ...]] = ("keys", "reports")


class HidPad(session.EvaluationPad):
    """An evaluation pad, as its profile describes it."""

    settings_type = HidPadSettings
    substitute = HidPadSubstitute
    addresses = (HID, HID_NODE, REPLAY)
    needs = NEEDS
    public_traffic = False  # what a wrong address leads to may be a clerk's keyboard

    def __init__(self, settings: HidPadSettings, port: Port) -> None:
        super().__init__(settings, port)

    @classmethod
    def fits(cls, found: Plugged) -> Offer | None:
        """Offer what calls itself a pad: a keyboard by its keys, anything else by its reports."""
        if not _LIKE_A_PAD.search(found.title) or not any(kind == _HID for kind, _, _ in found.interfaces):
            return None
        types = _KEYBOARD in found.interfaces
        keys = found.subsystem == "input" and found.properties.get("ID_INPUT_KEYBOARD") == "1"
        if not (keys if types else found.subsystem == "hidraw"):
            return None
        settings = {"profile": "hid_keys" if types else "hid_reports"}
        return Offer(address_of(found, "hid"), found.title, settings, sure=False)

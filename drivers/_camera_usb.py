"""Which cameras that are plugged in could be a document camera, and what to configure for them."""

from __future__ import annotations

from urllib.parse import quote

from drivers import _camera_v4l2 as v4l2
from edge.plugging.plugged import Offer, Plugged

_CAPTURES = ":capture:"


def offer(found: Plugged) -> Offer | None:
    """Return what to configure for a camera's node; ``None`` for its nodes without pictures, and for the rest."""
    if found.subsystem != "video4linux" or found.node is None:
        return None
    told = found.properties.get("ID_V4L_CAPABILITIES")
    if not (_CAPTURES in told if told else v4l2.captures(found.node)):
        return None
    if found.usb_id is None:
        return Offer(f"v4l2://{found.links[0] if found.links else found.node}", found.title, sure=False)
    which = f"port={found.port}" if found.port else f"serial={quote(found.serial)}" if found.serial else ""
    return Offer(f"v4l2:{found.usb_id}{'?' if which else ''}{which}", found.title, sure=False)

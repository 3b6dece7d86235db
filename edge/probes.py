"""What is published only to see whether it may be: told by its content type, kept for nobody, and no news to anybody.

A self-test publishes :data:`PROBE` on every branch of its window. A probe on ``status`` holds the window's true status.
"""

from __future__ import annotations

from typing import Literal

import msgspec

PROBE_TYPE = "application/vnd.hall-edge.probe+json"


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """No event and no state: whoever hears it leaves it alone. Not retained, and it expires after a second."""

    probe: Literal[1] = 1


PROBE = msgspec.json.encode(Probe())

"""How long a device that failed is left alone before the next try."""

from __future__ import annotations

import random

_BACKOFF_S = (0.5, 30.0)
_OF_ABSENCE = 2
# Whoever takes out jammed paper does not wait for half a minute; and of some devices only opening tells that they are
# there.
_LONGEST_S = {"attention": 1.5, "absent": 1.0}


def backoff_s(state: str, failures: int) -> float:
    """Return how long to wait in *state* after so many failures in a row."""
    # jittered, so that the devices of a hub do not come back at the same moment
    longest_s = _LONGEST_S.get(state, _BACKOFF_S[1])
    return min(longest_s, _BACKOFF_S[0] * 2.0 ** min(failures - 1, 6)) * random.uniform(0.5, 1.0)  # noqa: S311


def failures(so_far: int, before: str, now: str) -> int:
    """Return how many failures in a row there are with the one that leads from state *before* to *now*.

    A device that was looked for all day counts little of that when it is there, and does not work.
    """
    return (min(so_far, _OF_ABSENCE) if before == "absent" != now else so_far) + 1

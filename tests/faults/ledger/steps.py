"""What happens in a schedule, drawn from a seed, and how a schedule that fails is made short."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

Step = tuple[str, int]
"""What happens, and a number that decides its details."""

USUAL = ("commit", "commit", "store", "store", "pump", "pump", "hear", "carry", "carry", "carry", "consume", "consume",
         "tick", "tick", "save", "health", "settle")  # fmt: skip
FAULTS = ("lose", "lose", "double", "mix", "lose_acks", "forget", "refuse", "cut", "kill_window", "kill_office",
          "kill_broker", "broker_saves", "partly_store")  # fmt: skip
RARE = ("expire", "new_store", "image", "restore")


def random_steps(seed: int) -> list[Step]:
    """Return the steps of schedule *seed*."""
    rng = random.Random(seed)
    often = rng.choice([0.05, 0.2, 0.5])
    rare = rng.choice([0.0, 0.0, 0.03, 0.1])
    steps: list[Step] = [("joins", rng.randrange(2))]
    for _ in range(rng.randint(10, 60)):
        luck = rng.random()
        kind = RARE if luck < rare else FAULTS if luck < often else USUAL
        steps.append((rng.choice(kind), rng.randrange(1 << 16)))
    return steps


def shortest(steps: Sequence[Step], fails: Callable[[Sequence[Step]], bool]) -> list[Step]:
    """Return as few of *steps* as still fail."""
    steps, size = list(steps), max(1, len(steps) // 2)
    while size:
        at = 0
        while at < len(steps):
            fewer = steps[:at] + steps[at + size :]
            if fails(fewer):
                steps = fewer
            else:
                at += size
        size //= 2
    return steps

"""Draw the picture and the fingerprints of people who do not exist: patterns of the right size."""

import random

PREAMBLE = bytes.fromhex("AAAAAA9669")
SIDE = 32
"""The 1024 bytes of a photo are 32 rows of 32 grey values, top left first, instead of WLT."""

HEAD_SIZE = 7000
CHIN_ROW = 21

TEMPLATE_SIZE = 512
_REGISTERED = 1
_FINGERS = (12, 17)
"""Right and left index finger (GA/T 1011)."""


def portrait(seed: int, *, with_preamble: bool = False) -> bytes:
    """Draw a head, two eyes and shoulders: 1024 bytes; no byte AA, except in a preamble asked for."""
    rng = random.Random(f"portrait {seed}")
    light, skin, coat = rng.randint(200, 250), rng.randint(140, 168), rng.randint(20, 90)
    width = rng.randint(50, 80)
    pixels = bytearray([light]) * (SIDE * SIDE)
    for row in range(SIDE):
        for column in range(SIDE):
            x, y = column - 15.5, row - 12.5
            if x * x * 100 + y * y * width <= HEAD_SIZE:
                pixels[row * SIDE + column] = skin
            elif row > CHIN_ROW and abs(x) < row - 15:
                pixels[row * SIDE + column] = coat
    for column in (12, 19):
        pixels[11 * SIDE + column] = 0
    if with_preamble:
        pixels[500:505] = PREAMBLE
    return bytes(pixels)


def fingerprints(count: int, seed: int) -> bytes:
    """Make ``count`` templates of 512 bytes: 'C' first, result at byte 4, finger at byte 5."""
    rng = random.Random(f"fingerprints {seed}")
    head = (bytes((ord("C"), 1, 0, 0, _REGISTERED, finger)) for finger in _FINGERS[:count])
    return b"".join(begin + rng.randbytes(TEMPLATE_SIZE - len(begin)) for begin in head)

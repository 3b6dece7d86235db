"""Look for personal data in a finished recording: in its text, and in what its bytes say."""

from __future__ import annotations

from bisect import bisect_right

from edge.tools.scan import Find, finds, places


def personal_in(recording: bytes) -> list[Find]:
    """Return what must not stand in a recording, by its lines."""
    lines = recording.decode("ascii").splitlines()
    found = set(finds("\n".join("" if line[:1] in ("<", ">") else line for line in lines).encode()))
    for sign in "<>":
        pieces = [(number, bytes.fromhex(line[1:])) for number, line in enumerate(lines, 1) if line[:1] == sign]
        ends: list[int] = []
        for _, piece in pieces:
            ends.append((ends[-1] if ends else 0) + len(piece))
        said = b"".join(piece for _, piece in pieces)
        found |= {Find(pieces[bisect_right(ends, at)][0], what) for at, what in places(said)}
    return sorted(found)

"""Characters out of a keyboard's ``struct input_event`` records (Linux input, US layout). Pure bytes, no I/O."""

from __future__ import annotations

import struct
from collections.abc import Mapping

_RECORD = struct.Struct("@llHHi")
_SYN, _KEY = 0, 1
_REPORT, _DROPPED = 0, 3
_PRESSED = 1
_SHIFT = frozenset((42, 54))
_OTHERS = frozenset((29, 97, 56, 100, 125, 126))  # ctrl, alt and the keys with a logo

_ROWS: Mapping[int, tuple[str, str]] = {
    2: ("1234567890-=", "!@#$%^&*()_+"),
    16: ("qwertyuiop[]", "QWERTYUIOP{}"),
    30: ("asdfghjkl;'`", 'ASDFGHJKL:"~'),
    43: ("\\zxcvbnm,./", "|ZXCVBNM<>?"),
}
_ALONE: Mapping[int, str] = {
    15: "\t", 28: "\r", 55: "*", 57: " ", 74: "-", 78: "+", 83: ".", 96: "\r", 98: "/",
    71: "7", 72: "8", 73: "9", 75: "4", 76: "5", 77: "6", 79: "1", 80: "2", 81: "3", 82: "0",
}  # fmt: skip
PLAIN: Mapping[int, str] = {
    **{code + at: char for code, (plain, _) in _ROWS.items() for at, char in enumerate(plain)},
    **_ALONE,
}
"""Character by key code; both Enter keys are a carriage return, the keypad counts as digits."""
SHIFTED: Mapping[int, str] = {
    **{code + at: char for code, (_, shifted) in _ROWS.items() for at, char in enumerate(shifted)},
    **_ALONE,
}


class KeyDecoder:
    """Turns records into characters: a press counts, a release and the kernel's repeats do not.

    After ``SYN_DROPPED`` the kernel has thrown away what it could not keep: the rest up to the next ``SYN_REPORT``
    belongs to it and is left out, and all keys are taken to be up.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._down: set[int] = set()
        self._dropping = False

    def feed(self, data: bytes) -> bytes:
        """Return the characters of the presses in *data*, as ASCII."""
        data = self._rest + data
        whole = len(data) - len(data) % _RECORD.size
        self._rest = data[whole:]
        chars = (self._char(kind, code, value) for _, _, kind, code, value in _RECORD.iter_unpack(data[:whole]))
        return "".join(chars).encode("ascii")

    def _char(self, kind: int, code: int, value: int) -> str:
        if kind == _SYN:
            if code == _DROPPED:
                self._dropping = True
                self._down.clear()
            elif code == _REPORT:
                self._dropping = False
            return ""
        if kind != _KEY or self._dropping:
            return ""
        if code in _SHIFT or code in _OTHERS:
            (self._down.add if value else self._down.discard)(code)
            return ""
        if value != _PRESSED or self._down & _OTHERS:
            return ""
        return (SHIFTED if self._down & _SHIFT else PLAIN).get(code, "")

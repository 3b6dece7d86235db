"""APDUs (ISO 7816-4): the one place that sends them. 61xx, 6Cxx and T=0 are dealt with here, and PINs are refused.

No PIN is ever sent, by nobody's wish: a wrong try brings a citizen's card nearer to being blocked. Commands that
could carry another command inside (ENVELOPE, a reader's own escapes) are refused with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from drivers._card_status import CODES, CardProblem
from edge.errors import Unsupported

PIN_INSTRUCTIONS = frozenset((0x20, 0x21, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2C, 0x2D, 0x5E))
"""VERIFY, CHANGE REFERENCE DATA (PBOC: PIN unblock), DISABLE and ENABLE VERIFICATION, RESET RETRY COUNTER, their
BER-TLV twins, and PIN change of PBOC cards; whatever the class says about channels, chaining and secure messaging."""
WRAPPING_INSTRUCTIONS = frozenset((0xC2, 0xC3))
"""ENVELOPE, with BER-TLV; under class FF the transparent exchange of PC/SC part 3."""
READER_CLASS, READER_INSTRUCTIONS = 0xFF, frozenset((0x82, 0x86, 0x88, 0xB0, 0xCA, 0xD6))
"""Of commands to the reader itself only those for storage cards (PC/SC part 3): others pass on what they carry."""
GET_RESPONSE = 0xC0
HEAD, ROUNDS, MOST_BYTES = 4, 40, 65536
_SW_BYTES, _BYTE = 2, 0xFF
_SELECTS_CHANNEL = 0x03
_RIGHT_LENGTH, _MORE = 0x6C, 0x61


@dataclass(frozen=True, repr=False)
class Answer:
    """A card's data, and its status word."""

    data: bytes
    status: int


def check_apdu(apdu: bytes) -> None:
    """Refuse (``Unsupported``) what is no short APDU, and what carries a PIN or could hide one."""
    extra = len(apdu) - HEAD
    length = apdu[HEAD] if extra > 1 else 0
    if extra < 0 or (extra > 1 and (not length or extra not in (1 + length, 2 + length))):
        raise Unsupported(CODES["PCS-112"], code="PCS-112", action="send CLA INS P1 P2, then Lc with data, then Le")
    instruction = apdu[1]
    forbidden = instruction in PIN_INSTRUCTIONS or instruction in WRAPPING_INSTRUCTIONS
    if forbidden or (apdu[0] == READER_CLASS and instruction not in READER_INSTRUCTIONS):
        raise Unsupported(CODES["PCS-111"], code="PCS-111", action="leave it out; PINs belong to a keypad of their own")


class Talk:
    """Asks one card. *send* carries a raw APDU; *check* is called before each and may raise."""

    def __init__(
        self, send: Callable[[bytes], bytes], *, t0: bool = False, check: Callable[[], None] = lambda: None
    ) -> None:
        self._send = send
        self._t0 = t0
        self._check = check

    def ask(self, apdu: bytes) -> Answer:
        """Send *apdu* and fetch the whole answer; raises :class:`CardProblem` when there is none."""
        last = _for_t0(apdu) if self._t0 else apdu
        part = self._raw(last)
        data = b""
        for _ in range(ROUNDS):
            first, second = part.status >> 8, part.status & _BYTE
            if first == _RIGHT_LENGTH:
                last = _with_le(last, second)
            elif first == _MORE:
                data += part.data
                last = bytes((apdu[0] & _SELECTS_CHANNEL, GET_RESPONSE, 0, 0, second))
            else:
                return Answer(data + part.data, part.status)
            if len(data) > MOST_BYTES:
                break
            part = self._raw(last)
        raise CardProblem("failed")  # it goes on for ever

    def _raw(self, apdu: bytes) -> Answer:
        check_apdu(apdu)
        self._check()
        answer = self._send(apdu)
        if len(answer) < _SW_BYTES:
            raise CardProblem("failed")
        return Answer(answer[:-_SW_BYTES], int.from_bytes(answer[-_SW_BYTES:], "big"))


def _for_t0(apdu: bytes) -> bytes:
    """Leave out Le where data is sent too (case 4): T=0 fetches the answer."""
    return apdu[: HEAD + 1 + apdu[HEAD]] if len(apdu) > HEAD + 1 else apdu


def _with_le(apdu: bytes, length: int) -> bytes:
    """Return *apdu* asking for *length* bytes (0: 256)."""
    body = apdu[: HEAD + 1 + apdu[HEAD]] if len(apdu) > HEAD + 1 else apdu[:HEAD]
    return body + bytes((length,))

"""Behave like the cards that people put into a reader: answers to APDUs (ISO 7816-4), without any reader.

The fake pcscd and the virtual card for a real one share these models. Nothing here counts tries: a PIN that arrives
is counted in ``pin_commands`` and refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from simulators.card_files import EF05, EF06, SSSE, Holder, holder
from simulators.words import ScenarioError, Words, unknown

T0, T1 = 1, 2
PIN_INSTRUCTIONS = frozenset((0x20, 0x21, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2C, 0x2D))
OK = b"\x90\x00"
_SELECT, _READ_RECORD, _GET_RESPONSE = 0xA4, 0xB2, 0xC0
_BY_NUMBER, _BY_TAG = 4, 0
_MOST = 256
_HEAD, _LC = 4, 4
"""Bytes of CLA INS P1 P2, and where Lc or Le stands behind them."""
_BY_NAME, _BELOW = 4, 2
"""P1 of SELECT."""

CARD_HELP = (
    "CARD: social-security storage id-card cpu mute slow script; all: delay=S; social-security and slow: seed=N "
    "name=TEXT bad-check=1 expired=1 nation=NN protocol=t1|t0 by=all|tag|record|sfi interface=contact|contactless "
    "psam=0|read|select chain=1 le=any|exact bad-gbk=1 short=1; storage: product=1k|4k|mini|ultralight seed=N; "
    "id-card, cpu: seed=N; script: answers=HEX,HEX… (the last one again and again) atr=HEX"
)


@dataclass
class Card:
    """A card: what it says when power comes, and what it answers. ``answer`` never sees reader commands but FF CA."""

    atr: bytes
    protocols: int = T1
    uid: bytes = b""
    delay_s: float = 0.0
    mute: bool = False
    pin_commands: int = 0

    def power_on(self) -> None:
        """Forget everything, as after a reset."""

    def transmit(self, apdu: bytes) -> bytes:
        """Answer one command with data and SW1 SW2."""
        if len(apdu) < _HEAD:
            return b"\x67\x00"
        if apdu[:2] == b"\xff\xca":
            return self._identify(apdu)
        if apdu[1] in PIN_INSTRUCTIONS:
            self.pin_commands += 1
            return b"\x69\x83"
        return self.answer(apdu)

    def answer(self, apdu: bytes) -> bytes:
        """Answer a command to the card itself."""
        del apdu
        return b"\x6d\x00"

    def _identify(self, apdu: bytes) -> bytes:
        """Answer for the reader: the UID of a contactless card (PC/SC part 3)."""
        if not self.uid or apdu[2]:
            return b"\x6a\x81"
        return self.uid + OK


def wanted(apdu: bytes) -> int:
    """Give the byte behind the head: Lc, or Le where nothing is sent; 0 when there is none."""
    return apdu[_LC] if len(apdu) > _LC else 0


def with_check(body: str) -> bytes:
    """Append TCK to an ATR."""
    data = bytes.fromhex(body)
    check = 0
    for byte in data[1:]:
        check ^= byte
    return data + bytes((check,))


PRODUCTS: Mapping[str, tuple[str, int]] = {
    "1k": ("0001", 4), "4k": ("0002", 4), "ultralight": ("0003", 7), "mini": ("0026", 4),
}  # fmt: skip


def storage(product: str, seed: int) -> Card:
    """Make a storage card; its ATR is made by the reader (PC/SC part 3)."""
    name, uid_bytes = PRODUCTS[product]
    return Card(with_check(f"3B8F8001804F0CA000000306 03{name}00000000"), uid=seed.to_bytes(uid_bytes, "big"))


@dataclass
class IdCard(Card):
    """A resident ID card on a reader that is none for it: type B, and it tells nothing but its chip's number."""

    seed: int = 0

    def answer(self, apdu: bytes) -> bytes:
        """Answer 00 36 00 00 08; every file is refused."""
        if apdu == bytes.fromhex("0036000008"):
            return b"\x51\x00" + self.seed.to_bytes(6, "big") + OK
        return b"\x6a\x82" if apdu[1] == _SELECT else b"\x6d\x00"


@dataclass
class CpuCard(Card):
    """A CPU card without any application of ours: it gives random numbers, which are not random."""

    seed: int = 0

    def answer(self, apdu: bytes) -> bytes:
        """Answer GET CHALLENGE; nothing can be selected."""
        if apdu[:4] == bytes.fromhex("00840000"):
            return (self.seed + 1).to_bytes(wanted(apdu) or 8, "big") + OK
        return b"\x6a\x82" if apdu[1] == _SELECT else b"\x6d\x00"


@dataclass
class ScriptCard(Card):
    """A card that answers what it was told, whatever it is asked."""

    answers: list[bytes] = field(default_factory=list)
    asked: int = 0

    def answer(self, apdu: bytes) -> bytes:
        """Give the next answer, the last one for ever."""
        del apdu
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]


_FILES = {b"\xef\x05": "ef05", b"\xef\x06": "ef06"}
_SHORT_IDS = {5: "ef05", 6: "ef06"}


@dataclass
class SocialSecurityCard(Card):
    """A social-security card (人社信息函〔2012〕37号): SSSE with EF05 and EF06, freely readable or not.

    ``by``: how records are asked for. ``psam``: ``read`` refuses the holder's records, ``select`` their file.
    ``exact``: only the right Le is taken (6Cxx), else 00 will do. ``chain``: answers are fetched (61xx).
    """

    person: Holder = field(default_factory=lambda: holder(Words(), 0))
    by: str = "all"
    psam: str = "0"
    exact: bool = False
    chain: bool = False
    t0: bool = False
    _selected: str = ""
    _waiting: bytes = b""

    def power_on(self) -> None:
        """Forget what was selected."""
        self._selected, self._waiting = "", b""

    def answer(self, apdu: bytes) -> bytes:
        """Answer SELECT, READ RECORD and GET RESPONSE."""
        waiting, self._waiting = self._waiting, b""
        if apdu[1] == _GET_RESPONSE:
            return self._cut(waiting, wanted(apdu))
        if apdu[0] != 0:
            return b"\x6e\x00"
        if apdu[1] == _SELECT:
            return self._select(apdu)
        return self._read(apdu) if apdu[1] == _READ_RECORD else b"\x6d\x00"

    def _cut(self, data: bytes, length: int) -> bytes:
        length = length or _MOST
        if not data:
            return b"\x69\x85"
        if self.exact and length != len(data):
            self._waiting = data
            return bytes((0x6C, len(data) % _MOST))
        self._waiting = data[length:]
        more = bytes((0x61, min(len(self._waiting), 255))) if self._waiting else OK
        return data[:length] + more

    def _select(self, apdu: bytes) -> bytes:
        length = wanted(apdu)
        name, rest = apdu[_LC + 1 : _LC + 1 + length], apdu[_LC + 1 + length :]
        if len(name) != length or len(rest) > 1 or (self.t0 and rest):
            return b"\x67\x00"
        if apdu[2] == _BY_NAME and name == SSSE:
            self._selected = "ssse"
            return self._give(b"\x6f" + bytes((len(SSSE) + 2, 0x84, len(SSSE))) + SSSE)
        file = _FILES.get(name, "")
        if apdu[2] != _BELOW or not self._selected or not file or (file == "ef06" and self.psam == "select"):
            return b"\x6a\x82"
        self._selected = file
        return OK

    def _read(self, apdu: bytes) -> bytes:
        place, mode, length = apdu[3] >> 3, apdu[3] & 7, wanted(apdu)
        if bool(place) != (self.by == "sfi") and self.by != "all":
            return b"\x6a\x86"
        file = _SHORT_IDS.get(place, self._selected if not place else "")
        tags = {"ef05": EF05, "ef06": EF06}.get(file)
        if tags is None or not self._selected:
            return b"\x69\x86"
        tag = self._tag(tags, apdu[2], mode)
        if tag is None or tag not in self.person.items or (file == "ef06" and self.psam == "read"):
            return b"\x69\x82" if file == "ef06" and self.psam == "read" else b"\x6a\x83"
        record = bytes((tag, len(self.person.items[tag]))) + self.person.items[tag]
        if self.exact and length != len(record):
            return bytes((0x6C, len(record)))
        return self._give(record) if self.chain else record[: length or _MOST] + OK

    def _tag(self, tags: tuple[int, ...], p1: int, mode: int) -> int | None:
        """Find the item that P1 means: a number counted from 1, or a tag."""
        if mode == _BY_NUMBER and self.by in ("all", "record", "sfi"):
            return tags[p1 - 1] if 0 < p1 <= len(tags) else None
        return p1 if mode == _BY_TAG and p1 in tags and self.by in ("all", "tag") else None

    def _give(self, data: bytes) -> bytes:
        """Answer with data, or say that it is to be fetched."""
        if not (self.t0 or self.chain):
            return data + OK
        self._waiting = data
        return bytes((0x61, len(data)))


_CONTACT_T0, _CONTACT_T1 = "3B6D000081544A11868400000000000000", "3B8D0181544A11868400000000000000"


def _social_security(words: Words, seed: int, delay_s: float) -> Card:
    protocol = words.choice("protocol", ("t1", "t0"), "t1")
    contactless = words.choice("interface", ("contact", "contactless"), "contact") == "contactless"
    if contactless and protocol == "t0":
        raise ScenarioError("a contactless card speaks T=1")
    by = words.choice("by", ("all", "tag", "record", "sfi"), "all")
    psam = words.choice("psam", ("0", "read", "select"), "0")
    exact = words.choice("le", ("any", "exact"), "exact" if protocol == "t0" else "any") == "exact"
    chain = words.flag("chain")
    person = holder(words, seed)
    contact = bytes.fromhex(_CONTACT_T0) if protocol == "t0" else with_check(_CONTACT_T1)
    return SocialSecurityCard(
        with_check("3B8A80010031C173C84000009000") if contactless else contact,
        protocols=T0 if protocol == "t0" else T1,
        uid=b"\x08" + person.seed.to_bytes(3, "big") if contactless else b"",
        delay_s=delay_s,
        person=person, by=by, psam=psam, exact=exact, chain=chain, t0=protocol == "t0",
    )  # fmt: skip


def _storage(words: Words, seed: int) -> Card:
    product = words.choice("product", tuple(PRODUCTS), "1k")
    return storage(product, words.number("seed", seed, 0, 0xFFFFFF))


def _id_card(words: Words, seed: int) -> Card:
    atr = with_check("3B888001D103860C00808000")
    return IdCard(atr, uid=bytes(4), seed=words.number("seed", seed, 0, 0xFFFFFF))


def _cpu(words: Words, seed: int) -> Card:
    return CpuCard(with_check("3B858001504249433A"), uid=b"\x01\x02\x03\x04", seed=words.number("seed", seed, 0, 255))


def _mute(_words: Words, _seed: int) -> Card:
    return Card(b"", mute=True)


def _script(words: Words, _seed: int) -> Card:
    try:
        answers = [bytes.fromhex(text) for text in words.text("answers", "6d00").split(",")]
    except ValueError:
        raise ScenarioError("answers must be hexadecimal digits in pairs, with commas between them") from None
    atr = words.raw("atr")
    return ScriptCard(with_check("3B858001504249433A") if atr is None else atr, answers=answers)


_MAKERS: Mapping[str, Callable[[Words, int], Card]] = {
    "storage": _storage,
    "id-card": _id_card,
    "cpu": _cpu,
    "mute": _mute,
    "script": _script,
}
SLOW_S = 0.15


def make_card(kind: str, words: Words, seed: int) -> Card:
    """Make the card that ``CARD key=value…`` wishes for; ``seed`` unless the words have one."""
    if kind not in (*_MAKERS, "social-security", "slow"):
        raise unknown("card", kind, (*_MAKERS, "social-security", "slow"))
    delay_s = words.seconds("delay", SLOW_S if kind == "slow" else 0.0)
    if kind in _MAKERS:
        card = _MAKERS[kind](words, seed)
        card.delay_s = delay_s
    else:
        card = _social_security(words, seed, delay_s)
    words.done()
    return card

"""Lay out what a social-security card holds: EF05 (issuer), EF06 (holder), by tags (人社信息函〔2012〕37号).

Numbers are left-aligned and filled with F, texts with 00; names are GBK.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from simulators.people import citizen
from simulators.words import Words

SSSE = bytes.fromhex("7378312E73682EC9E7BBE1B1A3D5CF")
"""``sx1.sh.`` and 社会保障 in GBK."""
EF05 = (0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07)
EF06 = (0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D)
NAME_BYTES = 30


@dataclass(frozen=True, repr=False)
class Holder:
    """One card's items by their tags; ``seed`` is the person's."""

    seed: int
    items: Mapping[int, bytes]


def filled(digits: str, size: int) -> bytes:
    """Write digits (cn): left-aligned, filled with F."""
    return bytes.fromhex(digits.ljust(2 * size, "F"))


def text(value: str, size: int) -> bytes:
    """Write text (an): left-aligned, filled with 00. GBK; rare characters as GB 18030 has them."""
    return value.encode("gb18030")[:size].ljust(size, b"\0")


def holder(words: Words, seed: int) -> Holder:
    """Make a card's contents from ``seed= name= bad-check= expired= nation= bad-gbk= short=``."""
    seed = words.number("seed", seed, 0, 0xFFFFFF)
    wishes = [f"resident seed={seed} rare=0 long=0"]
    name = words.text("name", "")
    if name:
        wishes = [f"resident seed={seed} long=0 name={name}"]
    wishes += [f"{wish}=1" for wish in ("bad-check", "expired") if words.flag(wish)]
    nation = f"{words.number('nation', 1, 0, 99):02}" if words.given("nation") else ""
    if nation:
        wishes.append(f"nation={nation}")
    person = citizen(" ".join(wishes))
    named = text(person.name, NAME_BYTES)
    if words.flag("bad-gbk"):
        named = b"\xff\x81\x20" + named[:27]
    card_number = f"S{seed % 10**8:08}"
    items = {
        0x01: filled(f"000000D156000005{seed:08}", 16),
        0x02: b"3",
        0x03: b"2.00",
        0x04: filled("91560000000000000000", 12),
        0x05: filled(person.valid_from, 4),
        0x06: filled(person.valid_until, 4),
        0x07: card_number.encode("ascii"),
        0x08: text(person.number, 18),
        0x09: named,
        0x0A: person.sex.encode("ascii"),
        0x0B: filled(person.nation, 1),
        0x0C: filled("000000", 3),
        0x0D: filled(person.birth, 4),
    }
    if words.flag("short"):
        del items[0x0C]
        items[0x09] = items[0x09][:20]
    return Holder(seed, items)

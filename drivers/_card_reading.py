"""One card, from the first command to the event: what it is, what it may be read for, and what became of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from drivers import _card_person as persons
from drivers import _card_social as social
from drivers._card_apdu import Talk
from drivers._card_atr import Atr
from drivers._card_settings import CHIP_FIELDS, Want
from drivers._card_status import SW_NEEDS_PSAM, SW_OK, Trouble
from edge.events import (
    Advice,
    CardKind,
    CardRead,
    CardRejected,
    SmartCardField,
    SmartCardRejection,
    SocialSecurityCard,
)

GET_UID = bytes.fromhex("FFCA000000")
ID_CARD_SERIAL = bytes.fromhex("0036000008")
"""What a PRC ID card answers without a key: the number of its chip. Other cards do not know the instruction."""
_SERIAL_BYTES = 8
_ESSENTIAL: frozenset[SmartCardField] = frozenset(("name", "number"))
REFUSALS: dict[Trouble, tuple[SmartCardRejection, Advice]] = {
    "removed": ("removed-too-early", "lay-card-again"),
    "reset": ("read-failed", "lay-card-again"),
    "mute": ("mute", "lay-card-again"),
    "held": ("held", "call-technician"),
    "failed": ("read-failed", "lay-card-again"),
}
NOT_SUPPORTED: CardRejected = CardRejected(reason="not-supported", advice="use-other-document")
USE_ID_CARD_READER: CardRejected = CardRejected(reason="use-id-card-reader", advice="use-other-document")


@dataclass(frozen=True, repr=False)
class Reading:
    """What reading needs: whom to ask, for what, and how a card's mark is made."""

    talk: Talk
    atr_bytes: bytes
    atr: Atr
    want: Want
    digest: Callable[[str], str]
    today: dt.date


def card_kind(atr: Atr) -> CardKind:
    """Return what the ATR alone tells."""
    if not atr.valid:
        return "unknown"
    if atr.storage:
        return "storage"
    return "id-card" if atr.id_card else "cpu"


def rejected(trouble: Trouble) -> CardRejected:
    """Return the event for a card that cannot be talked to."""
    reason, advice = REFUSALS[trouble]
    return CardRejected(reason=reason, advice=advice)


def read_card(reading: Reading) -> CardRead | CardRejected:
    """Read one card as one unit; raises ``CardProblem``, and then nothing of it is used."""
    kind = card_kind(reading.atr)
    if kind == "id-card":
        return USE_ID_CARD_READER
    if kind != "storage":
        if social.select(reading.talk):
            return _social_security(reading)
        if reading.atr.type_b and _tells_chip_serial(reading.talk):
            return USE_ID_CARD_READER
    return _other(reading, kind)


def _tells_chip_serial(talk: Talk) -> bool:
    answer = talk.ask(ID_CARD_SERIAL)
    return answer.status in SW_OK and len(answer.data) == _SERIAL_BYTES


def _uid(reading: Reading) -> bytes:
    if reading.atr.interface != "contactless":
        return b""
    answer = reading.talk.ask(GET_UID)
    return answer.data if answer.status in SW_OK else b""


def _chip_card(reading: Reading, uid: bytes) -> dict[str, str]:
    """Return those of the chip's own fields that are wanted."""
    told = {"uid": uid.hex(), "atr": reading.atr_bytes.hex()}
    return {name: told[name] for name in CHIP_FIELDS if reading.want.wants(name) and told[name]}


def _other(reading: Reading, kind: CardKind) -> CardRead | CardRejected:
    """Read a card that has no application of ours: its UID at most."""
    want = reading.want
    if want.fields is None and kind != "storage":
        return NOT_SUPPORTED
    if want.fields is not None and want.fields - CHIP_FIELDS:
        return NOT_SUPPORTED
    uid = _uid(reading)
    chip = _chip_card(reading, uid)
    return CardRead(
        mode=want.mode,
        interface=reading.atr.interface,
        card=kind,
        chip=reading.digest((uid or reading.atr_bytes).hex()),
        warnings=("incomplete",) if "uid" in (want.fields or ()) and not uid else (),
        purpose=want.purpose,
        person=SocialSecurityCard(uid=chip.get("uid"), atr=chip.get("atr")) if want.mode != "presence" else None,
    )


def _social_security(reading: Reading) -> CardRead | CardRejected:
    want = reading.want
    asked = frozenset(name for name in social.ITEMS if want.wants(name))
    needed: set[SmartCardField] = {*asked, "identification"}
    if want.mode != "presence":
        needed.add("valid_until")
    found = social.read(reading.talk, needed)
    refusal = _refusal(found, asked)
    if refusal is not None:
        return refusal
    uid = _uid(reading) if want.wants("uid") or "identification" not in found.values else b""
    mark = found.values.get("identification") or uid or reading.atr_bytes
    card, warnings = persons.describe(found, asked, reading.today)
    person = None
    if want.mode != "presence":
        known = {name: value for name in social.ITEMS if (value := getattr(card, name)) is not None}
        person = SocialSecurityCard(**known, **_chip_card(reading, uid))  # type: ignore[arg-type]
    return CardRead(
        mode=want.mode,
        interface=reading.atr.interface,
        card="social-security",
        chip=reading.digest(mark.hex()),
        warnings=warnings,
        purpose=want.purpose,
        person=person,
    )


def _refusal(found: social.Found, asked: frozenset[SmartCardField]) -> CardRejected | None:
    """Return why a card is given up of which something was asked for that it does not tell; ``None``: it told enough.

    A name or number that is refused, or a holder of whom nothing is told, is no reading. Other items that are
    missing are a warning: what a card tells without a PSAM differs from city to city.
    """
    holder = {name for name in asked if social.ITEMS[name].file == social.HOLDER_FILE}
    missing = holder & found.refused.keys()
    if not (missing & _ESSENTIAL or (missing and missing == holder) or (asked and not asked & found.values.keys())):
        return None
    refused = [found.refused[name] for name in social.ITEMS if name in asked & found.refused.keys()]
    psam = [status for status in refused if status in SW_NEEDS_PSAM]
    status = (psam or refused)[0]
    return CardRejected(
        reason="needs-psam" if psam else "unreadable-record",
        advice="use-other-document",
        status=f"{status:04x}",
    )

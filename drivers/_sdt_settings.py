"""The settings of ``idcard_sdt``: what may be read, when, and how the reader is spoken to."""

from __future__ import annotations

from dataclasses import dataclass

from edge.driver import Settings
from edge.errors import Unsupported
from edge.events import PersonField, ReadCard, ReadMode

FIND_INTERVAL_S = (0.05, 5.0)
MAX_RF = (1, 255)


class IdCardSettings(Settings, frozen=True, kw_only=True):
    """Keys of an ``idcard_sdt`` device beside name, driver and address."""

    read: ReadMode = "verify"
    fields: tuple[PersonField, ...] = ()
    """What ``fields`` reads; everything else is dropped."""
    purpose: str | None = None
    """Why a person is read; travels with the event. ``full`` needs one."""
    auto: bool | None = None
    """Whether a card is read as soon as it lies there; ``fields`` and ``full`` only, default true there."""
    fingerprints: bool = False
    """With ``full``: read them too, where the card has some."""
    new_addresses: bool = False
    """Read the additional addresses too (one more exchange a card)."""
    lenient: bool = False
    """Last resort for readers that deny a card on find and select and read it all the same."""
    find_interval_s: float = 0.3
    max_rf: int | None = None
    """Largest RF frame in bytes, sent once after opening (0x50 or 0x58 where a vendor asks for it)."""
    detect_baud: bool = True

    def problems(self) -> dict[str, str]:
        low_s, high_s = FIND_INTERVAL_S
        low, high = MAX_RF
        reads, addresses = self.read in {"fields", "full"}, self.wants_addresses()
        checks = {
            "fields": {
                'read = "fields" needs a list of them': self.read == "fields" and not self.fields,
                'only with read = "fields"': self.read != "fields" and bool(self.fields),
                '"fingerprints" only with read = "full"': "fingerprints" in self.fields,
            },
            "purpose": {'read = "full" needs one': self.read == "full" and not self.purpose},
            "auto": {'only with read = "fields" or "full"': bool(self.auto) and not reads},
            "fingerprints": {'only with read = "full"': self.fingerprints and self.read != "full"},
            "new_addresses": {
                'only with read = "fields" or "full"': self.new_addresses and not reads,
                'list "new_addresses" in fields': self.read == "fields"
                and self.new_addresses
                and "new_addresses" not in self.fields,
            },
            "lenient": {
                'not with read = "presence": such a reader shows a card only by reading it': self.lenient
                and self.read == "presence",
                "not with new addresses: they could be another card's": self.lenient and addresses,
            },
            "find_interval_s": {f"must be {low_s} to {high_s}": not low_s <= self.find_interval_s <= high_s},
            "max_rf": {f"must be {low} to {high}": self.max_rf is not None and not low <= self.max_rf <= high},
        }
        wrong = {key: [cause for cause, is_so in causes.items() if is_so] for key, causes in checks.items()}
        return {key: "; ".join(causes) for key, causes in wrong.items() if causes}

    def needs_sealing(self) -> bool:
        return self.read in {"fields", "full"}

    def wants_addresses(self) -> bool:
        """Return whether the additional addresses belong to a read."""
        return self.new_addresses or "new_addresses" in self.fields


@dataclass(frozen=True, repr=False)
class Want:
    """What the next card is read for."""

    mode: ReadMode
    purpose: str | None = None
    number: str | None = None
    fields: tuple[PersonField, ...] = ()
    fingerprints: bool = False
    addresses: bool = False


def standing(settings: IdCardSettings) -> Want | None:
    """Return what every card is read for without a command, if anything."""
    return None if settings.auto is False or not settings.needs_sealing() else _configured(settings, None)


def armed(settings: IdCardSettings, command: ReadCard) -> Want:
    """Return what *command* reads; raises ``Unsupported`` where nothing may be read."""
    if settings.read == "presence":
        raise Unsupported(
            "this reader only says whether a card lies there",
            action='set read = "verify" (or more) for this device, if that is lawful',
        )
    if command.number is not None:
        return Want("verify", command.purpose or settings.purpose, command.number)
    return _configured(settings, command.purpose)


def _configured(settings: IdCardSettings, purpose: str | None) -> Want:
    return Want(
        settings.read,
        purpose or settings.purpose,
        fields=settings.fields,
        fingerprints=settings.fingerprints,
        addresses=settings.wants_addresses(),
    )

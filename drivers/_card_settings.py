"""The settings of ``card_pcsc``: what may be read of a card, when, and which APDUs a back office may send."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from drivers._card_apdu import PIN_INSTRUCTIONS, WRAPPING_INSTRUCTIONS
from edge.driver import Settings
from edge.events import ReadSmartCard, SmartCardField

Mode = Literal["presence", "fields", "full"]
CHIP_FIELDS: frozenset[SmartCardField] = frozenset(("uid", "atr"))
"""What every card can tell, whatever is on it."""
_PREFIX = re.compile(r"([0-9a-f]{2}){2,16}")
_MOST_PREFIXES = 64


class CardSettings(Settings, frozen=True, kw_only=True):
    """Keys of a ``card_pcsc`` device beside name, driver and address."""

    read: Mode = "presence"
    fields: tuple[SmartCardField, ...] = ()
    """What ``fields`` reads; nothing else is asked for."""
    purpose: str | None = None
    """Why a person is read; travels with the event. ``full`` needs one."""
    auto: bool = True
    """Whether a card is read as soon as it is there; else only for a ``read`` command."""
    transmit_prefixes: tuple[str, ...] = ()
    """Beginnings of the APDUs that ``transmit`` may send, in hex: class and instruction at least. None: it is off."""

    def problems(self) -> dict[str, str]:
        checks = {
            "fields": {
                'read = "fields" needs a list of them': self.read == "fields" and not self.fields,
                'only with read = "fields"': self.read != "fields" and bool(self.fields),
            },
            "purpose": {'read = "full" needs one': self.read == "full" and not self.purpose},
            "transmit_prefixes": {
                "write each as 2 to 16 bytes in lower-case hex, like 00b0": not all(
                    _PREFIX.fullmatch(prefix) for prefix in self.transmit_prefixes
                ),
                f"at most {_MOST_PREFIXES}": len(self.transmit_prefixes) > _MOST_PREFIXES,
                "a command that carries a PIN or could hide one is never sent": any(
                    _instruction(prefix) in PIN_INSTRUCTIONS | WRAPPING_INSTRUCTIONS
                    for prefix in self.transmit_prefixes
                ),
            },
        }
        wrong = {key: [cause for cause, is_so in causes.items() if is_so] for key, causes in checks.items()}
        return {key: "; ".join(causes) for key, causes in wrong.items() if causes}

    def needs_sealing(self) -> bool:
        return self.read != "presence" or bool(self.transmit_prefixes)


@dataclass(frozen=True)
class Want:
    """What the next card is read for; *fields* is ``None`` for everything."""

    mode: Mode
    purpose: str | None = None
    fields: frozenset[SmartCardField] | None = frozenset()

    def wants(self, field: SmartCardField) -> bool:
        """Return whether *field* may be asked for."""
        return self.fields is None or field in self.fields


def standing(settings: CardSettings) -> Want | None:
    """Return what every card is read for without a command, if anything."""
    return wanted(settings, None) if settings.auto else None


def wanted(settings: CardSettings, command: ReadSmartCard | None) -> Want:
    """Return what is read, by a command or without one."""
    fields = None if settings.read == "full" else frozenset(settings.fields)
    return Want(settings.read, (command.purpose if command else None) or settings.purpose, fields)


def _instruction(prefix: str) -> int:
    return int(prefix[2:4], 16) if _PREFIX.fullmatch(prefix) else -1

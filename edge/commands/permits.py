"""Which commands may be asked for: by tier (read, test, act) or one by one, for everybody or for each requester.

What shows or takes a person's data on demand (``capture``, reading a card, APDUs) is off until somebody writes it
into the configuration: who can publish on the broker should not be able to look into a window.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edge.commands.requests import Refusal
from edge.events import COMMANDS, Params
from edge.events.base import Tier

TIERS: tuple[Tier, ...] = ("read", "test", "act")
DEFAULT = ("read", "test", "evaluation-pad.evaluate", "scanner.scan")
"""What a window does for its case system out of the box."""
WINDOW = "window"
CANCEL = "cancel"
_WINDOW_TIERS: Mapping[str, Tier] = {"case-open": "read", "case-close": "read", "replay": "read", "selftest": "test"}
"""Commands to the daemon itself; what is not named here counts as ``act``."""


def window_tier(command: str) -> Tier:
    """Return what a command to the daemon does at most."""
    return _WINDOW_TIERS.get(command, "act")


def known_names(commands: Iterable[type[Params]] = COMMANDS) -> list[str]:
    """Return all that a configuration may allow: tiers, and commands as ``kind.command``."""
    names = [f"{command.kind}.{command.command}" for command in commands]
    return [*TIERS, *names, *(f"{WINDOW}.{command}" for command in _WINDOW_TIERS)]


@dataclass(frozen=True)
class Permit:
    """What one requester, or everybody, may ask for."""

    names: frozenset[str] = frozenset(DEFAULT)

    def check(self, kind: str, command: str, tier: Tier) -> None:
        """Raise :class:`Refusal` unless *command* to a device of *kind* is allowed."""
        if tier not in self.names and f"{kind}.{command}" not in self.names:
            raise Refusal(
                f"{command} is not allowed here", "refused", code="CMD-111",
                action=f'add "{kind}.{command}" to allow in [commands], or of the requester, in the configuration',
            )  # fmt: skip

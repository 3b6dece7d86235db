"""What every event and command is made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from edge.secret import as_secret, reveal

Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$(?!\n)", description="keyed: equal means same, nothing more")]
Day = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$(?!\n)")]
RequestId = Annotated[str, Meta(pattern=r"^[0-9a-fA-F-]{36}$(?!\n)", description="UUID")]
Token = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$(?!\n)")]
Milliseconds = Annotated[int, Meta(ge=0)]
Tier = Literal["read", "test", "act"]
"""What a command does at most: tells something; tries a device out; moves, records or reads something."""


class Personal(msgspec.Struct, frozen=True):
    """Base of what a sealed field is made of: its repr shows nothing, and neither does any text or bytes in it."""

    def __post_init__(self) -> None:
        _hide(self, self.__struct_fields__)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: personal>"


class Params(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Base of a command's parameters; ``sealed_params`` are accepted only in a sealed request, and never shown.

    Each says its *tier*, by which the configuration allows it; one that says nothing counts as the highest.
    """

    kind: ClassVar[str]
    command: ClassVar[str]
    tier: ClassVar[Tier] = "act"
    sealed_params: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        _hide(self, self.sealed_params)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Payload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of every event's ``data``. Its repr shows no more than the event's name, its ``sealed_fields`` nothing."""

    kind: ClassVar[str]
    type: ClassVar[str]
    sealed_fields: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        _hide(self, self.sealed_fields)

    def __repr__(self) -> str:
        return f"<{self.kind}.{self.type}>"

    def hidden(self) -> frozenset[str]:
        """Return the names of the fields of this event that hold personal data."""
        return frozenset(name for name in self.sealed_fields if getattr(self, name) is not None)

    def sensitivity(self) -> int:
        """Return the class of the whole event: 0 public, 1 operational, 2 personal, 3 sensitive."""
        return 3 if self.hidden() else 1

    def view(self, *, sealed: bool) -> dict[str, Any]:
        """Return ``data`` as builtins: the full body when *sealed*, else without the personal fields."""
        full = revealed(self)
        return full if sealed else {key: value for key, value in full.items() if key not in self.hidden()}


class Coded(Personal, frozen=True):
    """A code of a national table with its name (GB/T 2261.1 sex, GB/T 3304 nation)."""

    code: str
    name: str


def revealed(thing: msgspec.Struct) -> dict[str, Any]:
    """Return an event, or a part of one, as builtins, with the personal values in clear: to be sealed or stored."""
    plain: dict[str, Any] = msgspec.to_builtins(thing, enc_hook=reveal)
    return plain


def _hide(struct: msgspec.Struct, names: Iterable[str]) -> None:
    for name in names:
        if (value := getattr(struct, name)) is not None:
            msgspec.structs.force_setattr(struct, name, as_secret(value))

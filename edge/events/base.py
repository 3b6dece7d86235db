"""What every event and command is made of."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$(?!\n)", description="keyed: equal means same, nothing more")]
Day = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$(?!\n)")]
RequestId = Annotated[str, Meta(pattern=r"^[0-9a-fA-F-]{36}$(?!\n)", description="UUID")]
Token = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$(?!\n)")]
Milliseconds = Annotated[int, Meta(ge=0)]


class Params(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Base of a command's parameters; ``sealed_params`` are accepted only in a sealed request."""

    kind: ClassVar[str]
    command: ClassVar[str]
    sealed_params: ClassVar[frozenset[str]] = frozenset()


class Payload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of every event's ``data``. Its repr never shows more than the event's name."""

    kind: ClassVar[str]
    type: ClassVar[str]
    sealed_fields: ClassVar[frozenset[str]] = frozenset()

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
        full: dict[str, Any] = msgspec.to_builtins(self)
        return full if sealed else {key: value for key, value in full.items() if key not in self.hidden()}


class Coded(msgspec.Struct, frozen=True):
    """A code of a national table with its name (GB/T 2261.1 sex, GB/T 3304 nation)."""

    code: str
    name: str

"""Personal values: text and bytes that never show themselves in an f-string, a log, a repr, an exception.

The vocabulary wraps every personal field by itself (``edge.events.base``), whoever makes or decodes an event; drivers
wrap what a device says about a person as soon as it is text. What is cut or changed of a secret is one, too. The
content is still there for whoever means it: ``reveal``, ``encode``, comparison, ``len``. This guards against accidents,
not against intent: Python has no walls inside a process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MASK = "<personal>"


class Secret(str):
    """A text about a person."""

    __slots__ = ()

    def __repr__(self) -> str:
        return MASK

    def __str__(self) -> str:
        return MASK

    def __format__(self, _spec: str) -> str:
        return MASK

    def __radd__(self, before: str) -> Secret:
        return Secret(before.__add__(self))

    def reveal(self) -> str:
        """Return the plain text."""
        return str.__str__(self)


class SecretBytes(bytes):
    """Bytes about a person."""

    __slots__ = ()

    def __repr__(self) -> str:
        return MASK

    def __str__(self) -> str:
        return MASK

    def __format__(self, _spec: str) -> str:
        return MASK

    def __radd__(self, before: bytes) -> SecretBytes:
        return SecretBytes(bytes(before).__add__(self))

    def reveal(self) -> bytes:
        """Return the plain bytes."""
        return b"".join((self,))


def as_secret(value: Any) -> Any:
    """Return *value* so that it shows nothing: text, bytes, and tuples and lists of them; all else as it is."""
    if isinstance(value, Secret | SecretBytes):
        return value
    if isinstance(value, str):
        return Secret(value)
    if isinstance(value, bytes):
        return SecretBytes(value)
    if isinstance(value, tuple | list):
        return type(value)(as_secret(item) for item in value)
    return value


def reveal(value: object) -> str | bytes:
    """Return what is in a personal *value*: the ``enc_hook`` for whoever encodes events. Raises ``TypeError``."""
    if isinstance(value, Secret | SecretBytes):
        return value.reveal()
    raise TypeError(f"{type(value).__name__} is no type of the vocabulary")


def _keep_secret(kind: type, name: str) -> None:
    """Let the method *name* of *kind* return what shows nothing either."""
    plain: Callable[..., Any] = getattr(kind.__mro__[1], name)

    def method(self: Any, *given: Any, **named: Any) -> Any:
        return as_secret(plain(self, *given, **named))

    method.__name__ = name
    setattr(kind, name, method)


_BOTH = (
    "__getitem__", "__add__", "__mul__", "__rmul__", "__mod__", "capitalize", "center", "expandtabs", "join", "ljust",
    "lower", "lstrip", "partition", "removeprefix", "removesuffix", "replace", "rjust", "rpartition", "rsplit",
    "rstrip", "split", "splitlines", "strip", "swapcase", "title", "translate", "upper", "zfill",
)  # fmt: skip
for _name in (*_BOTH, "casefold", "encode", "format", "format_map"):
    _keep_secret(Secret, _name)
for _name in (*_BOTH, "decode", "hex"):
    _keep_secret(SecretBytes, _name)

"""Which PC this is: a disk that is copied into another one carries the window's identity with it."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import msgspec

from edge.state_dir import write_safely

_SALT = b"hall-edge machine 1\0"  # so that the digest says nothing outside of here, as machine-id(5) asks


class Machine(msgspec.Struct, frozen=True):
    """Digests of ``/etc/machine-id`` and of the built-in network cards' addresses; empty where there is none."""

    id: str
    cards: frozenset[str]

    def is_other_than(self, known: Machine) -> bool:
        """Return whether this cannot be the PC that *known* was."""
        if self.id and known.id and self.id != known.id:
            return True
        return bool(self.cards and known.cards and not self.cards & known.cards)


def this_machine(root: Path = Path("/")) -> Machine:
    """Return the marks of the PC whose files are below *root*."""
    with suppress(OSError):
        cards = [path for path in (root / "sys/class/net").iterdir() if (path / "device").exists()]
        return Machine(_digest(root / "etc/machine-id"), frozenset(filter(None, map(_digest, _addresses(cards)))))
    return Machine(_digest(root / "etc/machine-id"), frozenset())


def _addresses(cards: list[Path]) -> list[Path]:
    return [card / "address" for card in cards]


def _digest(path: Path) -> str:
    """Return a digest of what the file says; empty when it says nothing."""
    with suppress(OSError):
        if said := path.read_bytes().strip(b"0:\n \t"):
            return hashlib.sha256(_SALT + said).hexdigest()[:32]
    return ""


def made_elsewhere(path: Path, machine: Machine) -> bool:
    """Return whether the folder of *path* was first used on another PC than *machine*, which is noted the first time.

    A file that cannot be understood is written anew. Raises ``OSError``.
    """
    with suppress(FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return machine.is_other_than(msgspec.json.decode(path.read_bytes(), type=Machine))
    write_safely(path, msgspec.json.encode(machine))
    return False

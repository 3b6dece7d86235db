"""Read a scanner's XML safely: no document type, no entities, bounded depth and size; names by namespace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from drivers._escl_problems import device_error

SCAN = "http://schemas.hp.com/imaging/escl/2011/05/03"
PWG = "http://www.pwg.org/schemas/2010/12/sm"
_OURS = frozenset({SCAN, PWG})
_MAX_DEPTH = 32
_MAX_NODES = 20_000
_MAX_TEXT = 4096


@dataclass(repr=False)
class Node:
    """One element. Children are found by their local name; eSCL's and PWG's own go before those of anybody else."""

    space: str
    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def all(self, *path: str) -> list[Node]:
        """Return the elements at the end of *path*, a local name a level."""
        found = [self]
        for name in path:
            found = [child for node in found for child in node.named(name)]
        return found

    def first(self, *path: str) -> Node | None:
        return next(iter(self.all(*path)), None)

    def word(self, *path: str) -> str:
        """Return the text of the first such element, without the space around it; "" without one."""
        node = self.first(*path)
        return node.text.strip() if node else ""

    def number(self, *path: str) -> int | None:
        """Return the text as a number up to nine digits."""
        word = self.word(*path)
        return int(word) if word.isascii() and word.isdecimal() and len(word) <= 9 else None  # noqa: PLR2004

    def words(self, *path: str) -> Iterator[str]:
        yield from (node.text.strip() for node in self.all(*path))

    def named(self, name: str) -> list[Node]:
        """Return the children of this local name."""
        named = [child for child in self.children if child.name == name]
        return [child for child in named if child.space in _OURS] or named


class _Refused(Exception):
    """A document that nobody honest sends."""


def parse(document: bytes, root: str) -> Node:
    """Return the element *root* of *document*; raises ESC-105 for no XML, ESC-104 for another document."""
    builder = _Builder()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = builder.doctype
    try:
        parser.Parse(document, True)
    except (expat.ExpatError, _Refused, ValueError, LookupError) as error:
        raise device_error("ESC-105") from error
    if builder.root is None or builder.root.name != root:
        raise device_error("ESC-104")
    return builder.root


class _Builder:
    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[Node] = []
        self._nodes = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._nodes += 1
        if self._nodes > _MAX_NODES or len(self._open) >= _MAX_DEPTH:
            raise _Refused
        space, _, name = tag.rpartition(" ")
        node = Node(space, name, attributes)
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._open.append(node)

    def end(self, _tag: str) -> None:
        self._open.pop()

    def data(self, text: str) -> None:
        node = self._open[-1]
        if len(node.text) < _MAX_TEXT:
            node.text += text

    def doctype(self, *_: object) -> None:
        raise _Refused

"""Find the catalogue's files: ours, those beside the drivers, those of foreign drivers. Nobody's code is run."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from edge.errors import EdgeError

FOLDER = "messages"
DRIVERS = "drivers"
GROUP = "hall_edge.drivers"
PLAIN = ("words.toml", "retired.toml")
"""Files of the folder that are no tables of codes."""

_HEADER = re.compile(r"^\[([A-Z]{3}-[0-9]{3})\][ \t]*(?:#.*)?$", re.MULTILINE)
_T = TypeVar("_T")


class CatalogueError(EdgeError):
    """A file of the catalogue cannot be used."""

    default_code = "SYS-170"
    default_action = "install hall-edge anew: one of its files is damaged"


class Table(NamedTuple):
    """What one file says about one code, as text."""

    file: Path
    line: int
    text: str

    def entry(self, kind: type[_T]) -> _T:
        """Return it as *kind*; raises :class:`CatalogueError` with its file and line."""
        try:
            return msgspec.convert(next(iter(tomllib.loads(self.text).values())), kind)
        except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
            raise CatalogueError(f"{self.file}:{self.line}: {error}") from error


def our_tables() -> Mapping[str, Table]:
    """Return the tables of the core and of the shipped drivers by code; raises :class:`CatalogueError`."""
    return _tables([Path(__file__).parent, *_beside(DRIVERS)])


def foreign_tables(kind: type[object]) -> Mapping[str, Table]:
    """Return the tables (each is a *kind*) of installed packages that offer drivers.

    What is broken there is told in the log and left out.
    """
    from importlib.metadata import entry_points  # slow: reads the files of every installed package

    found: dict[str, Table] = {}
    for package in sorted({point.module.partition(".")[0] for point in entry_points(group=GROUP)} - {DRIVERS}):
        try:
            tables = _tables(_beside(package))
        except CatalogueError as error:
            _tell(error)
            continue
        for code, table in tables.items():
            try:
                table.entry(kind)
                found.setdefault(code, table)
            except CatalogueError as error:
                _tell(error)
    return found


def _tell(error: CatalogueError) -> None:
    from edge import logs

    action = "call the author of that package"
    logs.get("messages").warning(error.message, extra={"fields": {"code": "SYS-171", "action": action}})


def plain_files(name: str) -> Iterator[Mapping[str, Any]]:
    """Yield what the files *name* of the core and of the shipped drivers say; raises :class:`CatalogueError`."""
    for folder in [Path(__file__).parent, *_beside(DRIVERS)]:
        if (file := folder / name).exists():
            try:
                yield tomllib.loads(file.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise CatalogueError(f"{file}: {error}") from error


def _beside(package: str) -> list[Path]:
    """Return the folders with the messages of *package*, which is found without importing it."""
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return []
    return [Path(place, FOLDER) for place in (spec.submodule_search_locations if spec else None) or ()]


def _tables(folders: Iterable[Path]) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    for file in (file for folder in folders for file in sorted(folder.glob("*.toml")) if file.name not in PLAIN):
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise CatalogueError(f"{file}: {error}") from error
        if not text.replace("\n", "").isprintable():
            raise CatalogueError(f"{file}: it holds characters that no terminal should get")
        headers = list(_HEADER.finditer(text))
        ends = [header.start() for header in headers[1:]] + [len(text)]
        for header, end in zip(headers, ends, strict=True):
            line = text.count("\n", 0, header.start()) + 1
            if header[1] in tables:
                raise CatalogueError(f"{file}:{line}: {header[1]} stands in {tables[header[1]].file.name} too")
            tables[header[1]] = Table(file, line, text[header.start() : end])
    return tables

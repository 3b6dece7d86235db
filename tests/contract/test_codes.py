"""Codes are what people search for: one meaning each, over the whole program."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from types import ModuleType

import drivers
import edge
from edge.errors import DeviceError, EdgeError
from tests.contract.desk import CODE, Desk
from tests.support.project import ROOT, modules

LAUNCHERS = ("edge.__main__",)


@cache
def imported() -> tuple[ModuleType, ...]:
    """Return all modules of the core and of the drivers."""
    names = [
        name
        for package in (edge, drivers)
        for _, name, _ in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]
    return tuple(importlib.import_module(name) for name in names if name not in LAUNCHERS)


@cache
def tables() -> dict[str, Mapping[str, str]]:
    """Return every table ``CODES``, once, by the module that shows it first."""
    found: dict[str, Mapping[str, str]] = {}
    for module in imported():
        table = getattr(module, "CODES", None)
        if table is not None and not any(table is known for known in found.values()):
            found[module.__name__] = table
    return found


def words(text: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return what a table says of a code: what was seen, in some with the action behind it."""
    return (text,) if isinstance(text, str) else text


def error_types(kind: type[EdgeError] = EdgeError) -> Iterator[type[EdgeError]]:
    """Yield all error classes of the modules."""
    yield kind
    for below in kind.__subclasses__():
        yield from error_types(below)


def literals() -> Iterator[tuple[str, str, str]]:
    """Yield ``(code, class, place)`` of every error that is made with a code of its own."""
    imported()
    kinds = {kind.__name__ for kind in error_types()}
    for path in modules("edge", "drivers"):
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds):
                continue
            for word in node.keywords:
                if word.arg == "code" and isinstance(word.value, ast.Constant) and word.value.value:
                    yield str(word.value.value), node.func.id, f"{path}:{node.lineno}"


def test_there_are_codes_to_look_at() -> None:
    assert sum(map(len, tables().values())) > 30
    assert len({kind for kind in error_types() if issubclass(kind, DeviceError)}) > 5
    assert len(list(literals())) > 20


def test_every_code_has_the_form() -> None:
    known = [code for table in tables().values() for code in table]
    known += [kind.default_code for kind in error_types()]
    known += [code for code, _, _ in literals()]
    assert not [code for code in known if not CODE.fullmatch(code)]


def test_every_code_stands_in_one_table() -> None:
    owners: dict[str, list[str]] = defaultdict(list)
    for module, table in tables().items():
        for code in table:
            owners[code].append(module)
    assert not {code: names for code, names in owners.items() if len(names) > 1}


def test_every_meaning_has_words() -> None:
    assert not [
        code for table in tables().values() for code, text in table.items() if not all(map(str.strip, words(text)))
    ]


def test_every_default_belongs_to_one_class() -> None:
    imported()
    owners: dict[str, set[str]] = defaultdict(set)
    for kind in error_types():
        if "default_code" in vars(kind) and kind.__module__.partition(".")[0] in ("edge", "drivers"):
            owners[kind.default_code].add(kind.__qualname__)
    assert not {code: names for code, names in owners.items() if len(names) > 1}


def test_every_code_is_raised_as_one_kind_of_error() -> None:
    """Two kinds under one code would be two states, or two remedies, for the same search."""
    imported()
    used: dict[str, dict[str, str]] = defaultdict(dict)
    for kind in error_types():
        if "default_code" in vars(kind) and issubclass(kind, DeviceError):
            used[kind.default_code][kind.__name__] = "edge/errors.py"
    for code, name, place in literals():
        if name.startswith("Device"):
            used[code].setdefault(name, place)
    assert not {code: places for code, places in used.items() if len(places) > 1}


def test_a_driver_of_its_own_brings_codes_of_its_own(desk: Desk) -> None:
    module = importlib.import_module(desk.bench.driver_type.__module__)
    own: Mapping[str, str] = getattr(module, "CODES", {})
    others = {code for name, table in tables().items() if table is not own for code in table}
    assert not own.keys() & others
    assert all(CODE.fullmatch(code) for code in own)

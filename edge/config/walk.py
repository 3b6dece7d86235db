"""Compare a parsed table with a type, field by field: every mistake is found, not only the first."""

from __future__ import annotations

import re
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo

from edge.config.findings import Findings
from edge.errors import nearest, quoted
from edge.toml_lines import Path

_fields = cache(msgspec.structs.fields)
_SECRET = re.compile("pass|secret|token|key|pin$")
_LISTS = (list, tuple, set, frozenset)
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", dict: "a table"}
_LIMITS = {
    "ge": "at least",
    "gt": "above",
    "min_length": "of length at least",
    "le": "at most",
    "lt": "below",
    "max_length": "of length at most",
    "pattern": "matching",
}


def walk(value: object, kind: Any, path: Path, found: Findings, also: tuple[str, ...] = ()) -> Any:
    """Return *value* as the type *kind*, or ``None`` after adding all that is wrong with it to *found*.

    *also* are keys of a table that somebody else looks after.
    """
    before = len(found.problems)
    for member in _members(kind):
        args = get_args(member)
        if isinstance(value, dict) and _is_struct(member):
            _walk_fields(value, _fields(member), path, found, also)
        elif isinstance(value, dict) and get_origin(member) is dict:
            for key, item in value.items():
                walk(item, args[1], (*path, key), found)
        elif isinstance(value, list) and get_origin(member) in _LISTS and args[1:] in ((), (...,)):
            for index, item in enumerate(value):
                walk(item, args[0], (*path, index), found)
    if len(found.problems) == before:
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            _explain(value, kind, path, str(error), found)
    return None


def _walk_fields(
    table: dict[str, Any], wanted: tuple[FieldInfo, ...], path: Path, found: Findings, also: tuple[str, ...]
) -> None:
    known = {field.encode_name: field for field in wanted}
    for key, value in table.items():
        if key in known:
            walk(value, known[key].type, (*path, key), found)
        elif key not in also:
            near = nearest(key, [*known, *also])
            found.add((*path, key), "CFG-110", f"unknown key {quoted(key)}", "correct or delete it", near)
    for key, field in known.items():
        if field.required and key not in table:
            missing = f"[{key}]" if _is_struct(field.type) else key
            found.add((*path, key), "CFG-111", f"{missing} is missing", f"add {missing}: {expected(field.type)}")


def _explain(value: object, kind: Any, path: Path, message: str, found: Findings) -> None:
    """Say for a person why *value* is not of type *kind*; *message* is msgspec's opinion."""
    name = next((step for step in reversed(path) if isinstance(step, str)), "")
    members = _members(kind)
    if isinstance(value, dict) and any(map(_is_struct, members)):  # a struct's own __post_init__
        found.add(path, "CFG-113", f"{name}: {quoted(message, 120)}", "correct the values of this table")
        return
    shown, near = "a value that is not shown", None
    if not _SECRET.search(name.lower()):
        shown = _described(value)
        words = [word for member in members for word in get_args(member) if isinstance(word, str)]
        near = nearest(value, words) if isinstance(value, str) else None
    code = "CFG-112" if ", got `" in message else "CFG-113"
    found.add(path, code, f"{name}: expected {expected(kind)}, got {shown}", _remedy(value, members, name), near)


def _remedy(value: object, members: list[Any], name: str) -> str:
    wanted = {get_origin(member) or member for member in members}
    if isinstance(value, dict) and wanted.intersection(_LISTS):
        return f"write the table's header with double brackets: [[{name}]]"
    if isinstance(value, list) and any(map(_is_struct, wanted)):
        return f"write the table's header with single brackets: [{name}]"
    if isinstance(value, str) and wanted & {bool, int, float} and re.fullmatch(r"[-+.\d]+|true|false", value):
        return "write it without quotes"
    return "write it in quotes" if str in wanted and isinstance(value, bool | int | float) else "correct the value"


def _described(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {value}" if abs(value) < 10**15 else "a number beyond all bounds"
    if isinstance(value, str):
        return f"the text {quoted(value)}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "a table" if isinstance(value, dict) else "a date or time"


def expected(kind: Any) -> str:
    """Return what the type *kind* asks for, in words."""
    base, *metas = get_args(kind) if get_origin(kind) is Annotated else (kind,)
    args, origin = get_args(base), get_origin(base)
    if origin in (Union, UnionType):
        return " or ".join(expected(member) for member in args if member is not NoneType)
    if origin is Literal:
        return "one of " + ", ".join(f'"{value}"' for value in args)
    words = "a list" if origin in _LISTS else _WORDS.get(origin or base, f"a value of type {base}")
    if _is_struct(base):
        needed = ", ".join(field.encode_name for field in _fields(base) if field.required)
        words = f"a table with {needed}" if needed else "a table"
    for meta in (meta for meta in metas if isinstance(meta, msgspec.Meta)):
        limits = [f"{word} {limit}" for name, word in _LIMITS.items() if (limit := getattr(meta, name)) is not None]
        words += f" ({meta.description})" if meta.description else f" {', '.join(limits)}"
    words = re.sub("at least (\\S+), (?:of length )?at most", "between \\1 and", words)
    entries = ", ".join(expected(arg) for arg in args if arg is not ...)
    return f"{words}, entries: {entries}" if origin in _LISTS else words


def _members(kind: Any) -> list[Any]:
    """Return the types that *kind* allows, without ``Annotated`` and ``None``, which TOML cannot say."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) not in (Union, UnionType):
        return [kind]
    return [part for member in get_args(kind) if member is not NoneType for part in _members(member)]


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)

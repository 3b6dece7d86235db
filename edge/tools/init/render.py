"""Write a configuration as text that explains itself: what is set, and behind ``#`` what could be.

The keys come from the loader's own tables and the drivers' own settings, so that no key is forgotten. ``#key = …`` is
a key with its default (or an example); ``# …`` is a remark.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo

from edge.config.tables import DeviceTable, Document
from edge.config.walk import expected
from edge.errors import ConfigError
from edge.registry import Registry
from edge.tools import toml_text
from edge.tools.columns import fitted
from edge.tools.init.remarks import EXAMPLES, REMARKS

LANGUAGES = ("zh", "en")
_ORDER = ("window", "mqtt", "subscriber", "device", "commands", "requester", "retention", "blobs", "outbox", "page",
          "log", "paths", "sealing")  # fmt: skip
_ONLY_EXAMPLES = ("requester", "sealing")
"""Tables whose keys make sense together only: where they are not set, all of them are examples."""
_COLUMN = 38
Table = Mapping[str, Any]


def render(document: Table, language: str) -> str:
    """Return *document* (as ``tomllib`` reads one) as commented text."""
    writer = _Writer(LANGUAGES.index(language), Registry(_allowed(document)))
    lines: list[str] = []
    tables = {field.encode_name: field for field in msgspec.structs.fields(Document)}
    for name in sorted(tables, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER)):
        lines += ["", *writer.section(tables[name], document)]
    return "\n".join(lines) + "\n"


def _allowed(document: Table) -> list[str]:
    listed = document.get("window", {}).get("allow_drivers", [])
    return [name for name in listed if isinstance(name, str)]


class _Writer:
    def __init__(self, language: int, registry: Registry) -> None:
        self._language = language
        self._registry = registry

    def section(self, field: FieldInfo, document: Table) -> Iterator[str]:
        """Yield the lines of a table of *document*, or of an array of tables."""
        name = field.encode_name
        given = document.get(name)
        yield f"# {self._remark(name)}"
        kind = _table_of(field)
        if given and _is_array(field):
            for number, table in enumerate(given):
                yield from [""] * bool(number)
                yield from (self._device(table) if name == "device" else self._table(name, kind, table, "[[{}]]"))
        elif not given and (name in _ONLY_EXAMPLES or _is_array(field)):
            yield from self._examples(name, kind)
        else:
            yield from self._table(name, kind, given or {}, "[{}]")

    def _table(self, name: str, kind: type[msgspec.Struct], given: Table, header: str) -> Iterator[str]:
        yield header.format(name)
        for field in msgspec.structs.fields(kind):
            yield self._line(f"{name}.{field.encode_name}", field, given)

    def _device(self, given: Table) -> Iterator[str]:
        yield from self._table("device", DeviceTable, given, "[[{}]]")
        common = {field.encode_name for field in msgspec.structs.fields(DeviceTable)}
        own = {key: value for key, value in given.items() if key not in common}
        settings = self._settings(str(given.get("driver", "")))
        yield from (f"{toml_text.key(key)} = {toml_text.value(value)}" for key, value in own.items())
        yield from (_default(field) for field in settings if field.encode_name not in own)

    def _settings(self, driver: str) -> tuple[FieldInfo, ...]:
        """Return the keys of a driver; of one that cannot be loaded there are none to show."""
        try:
            return msgspec.structs.fields(self._registry.load(driver).settings_type)
        except ConfigError:
            return ()

    def _examples(self, name: str, kind: type[msgspec.Struct]) -> Iterator[str]:
        yield f"#[{name}]" if name == "sealing" else f"#[[{name}]]"
        for field in msgspec.structs.fields(kind):
            path = f"{name}.{field.encode_name}"
            yield self._said(f"#{field.encode_name} = {toml_text.value(EXAMPLES.get(path, field.default))}", path)

    def _line(self, path: str, field: FieldInfo, given: Table) -> str:
        key = field.encode_name
        if key in given:
            return self._said(f"{key} = {toml_text.value(given[key])}", path)
        return self._said(f"#{key} = {toml_text.value(EXAMPLES.get(path, field.default))}", path)

    def _said(self, line: str, path: str) -> str:
        return f"{fitted(line, max(_COLUMN, len(line)))}  # {self._remark(path)}"

    def _remark(self, path: str) -> str:
        return REMARKS[path][self._language]


def _is_array(field: FieldInfo) -> bool:
    return get_origin(field.type) is not None


def _table_of(field: FieldInfo) -> type[msgspec.Struct]:
    """Return the struct of a table, or of an array's entries."""
    if field.encode_name == "device":
        return DeviceTable
    inner = get_args(field.type)[0] if get_args(field.type) else field.type
    found: type[msgspec.Struct] = get_args(inner)[0] if get_args(inner) else inner
    return found


def _default(field: FieldInfo) -> str:
    """Return the line of a driver's key that is not set."""
    default = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    if isinstance(default, bool | int | float | str | tuple | list):
        return f"#{field.encode_name} = {toml_text.value(default)}"
    return f"# {field.encode_name}: {expected(field.type).removesuffix(' with ')}"

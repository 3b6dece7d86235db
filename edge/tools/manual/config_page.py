"""hall-edge.toml(5): every table and key as the loader has them, with what they are for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from edge.config.tables import DeviceTable, Document
from edge.tools import toml_text
from edge.tools.manual.config_texts import ABOUT, EXAMPLE, KEYS, TABLES
from edge.tools.manual.roff import Page, bold

_JSON_TYPES = {"string": "text", "integer": "number", "number": "number", "boolean": "true or false", "array": "list"}
_LISTS = ("requester", "subscriber", "device")
_BOUNDS = (("minimum", "at least {}"), ("maximum", "at most {}"))


def config_page() -> str:
    """Return the page."""
    page = Page("hall-edge.toml", 5)
    page.heading("NAME")
    page.line("hall\\-edge.toml \\- configuration of a service\\-hall window")
    page.heading("DESCRIPTION")
    page.paragraphs(ABOUT)
    page.heading("TABLES")
    for name, keys in tables().items():
        page.subheading(f"[[{name}]]" if name in _LISTS else f"[{name}]")
        page.paragraphs(TABLES[name])
        page.terms((bold(key), f"{KEYS[f'{name}.{key}']} ({kind})") for key, kind in keys.items())
    page.heading("EXAMPLE")
    page.example(EXAMPLE)
    page.heading("FILES")
    page.terms([(bold("/etc/hall-edge/hall-edge.toml"), "Read at the start, and again by hall-edge reload.")])
    page.heading("SEE ALSO")
    page.line(", ".join(f"{bold(name)}(1)" for name in ("hall-edge", "hall-edge-check", "hall-edge-init")))
    return str(page)


def tables() -> Mapping[str, Mapping[str, str]]:
    """Return every table with its keys, and of each what may stand there, in words."""
    (_,), definitions = msgspec.json.schema_components([Document], ref_template="{name}")
    (_,), of_device = msgspec.json.schema_components([DeviceTable], ref_template="{name}")
    definitions |= of_device
    found = {}
    for name, property_ in definitions["Document"]["properties"].items():
        table = definitions["DeviceTable"] if name == "device" else definitions[_reference(property_)]
        required = table.get("required", ())
        found[name] = {
            key: ", ".join(_kind(schema, required=key in required)) for key, schema in table["properties"].items()
        }
    return found


def _reference(property_: Mapping[str, Any]) -> str:
    return str(re.search(r"'\$ref': '(\w+)'", str(property_))[1])  # type: ignore[index]  # each is a table


def _kind(schema: Mapping[str, Any], *, required: bool) -> Iterator[str]:
    """Yield the parts of what a value is: type, bounds, default."""
    one = next((one for one in schema.get("anyOf", ()) if one.get("type") != "null"), schema)
    if "enum" in one:
        yield " or ".join(sorted(map(str, one["enum"])))
    else:
        yield _JSON_TYPES[one["type"]]
    for key, text in _BOUNDS:
        if key in one:
            yield text.format(one[key])
    default = schema.get("default")
    if required:
        yield "required"
    elif default not in (None, "", (), []):
        yield f"default {toml_text.value(default)}"

"""The written text: complete, true, and never broken by what devices call themselves."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config import tables
from edge.config.tables import DeviceTable, Document
from edge.plugging.plugged import Offer, Plugged
from edge.registry import Registry
from edge.tools import toml_text
from edge.tools.columns import cut, fitted, width
from edge.tools.discover.output import config_lines
from edge.tools.discover.things import Findings, Proposal, Thing, find
from edge.tools.init import devices, outcome
from edge.tools.init.outcome import Place, Wishes
from edge.tools.init.remarks import EXAMPLES, REMARKS
from edge.tools.init.render import render
from edge.tools.init.texts import TEXTS
from tests.tools.init_rig import GUN, Pc, init

HEAD = {"window": {"hall": "h", "window": "w01", "lab": True}, "mqtt": {"url": "mqtt://localhost"}}
DEVICES: list[dict[str, Any]] = [
    {"name": "id-1", "driver": "idcard_sdt", "address": "usb:0400:c35a"},
    {"name": "gun-1", "driver": "code_serial", "address": "serial:///dev/a"},
    {"name": "pad-1", "driver": "pad_serial", "address": "serial:///dev/b", "profile": "stx_len16"},
    {"name": "scanner-1", "driver": "scanner_escl", "address": "escl://192.0.2.1:80/eSCL"},
]
FULL = {**HEAD, "subscriber": [{"name": "a"}], "device": DEVICES}
HOSTILE = ['"', "'''", '"""', "\\", "\n[window]\n", "\r", "\x00", "\x7f", "\x1b[2J", "# x", "\u202e", "\ud800", "键"]


def keys() -> Iterator[str]:
    """Yield every table and key that a configuration may have, from the loader's own types."""
    for field in msgspec.structs.fields(Document):
        yield field.encode_name
        (struct,) = [one for one in vars(tables).values() if is_table_of(one, field.type)] or [DeviceTable]
        yield from (f"{field.encode_name}.{one.encode_name}" for one in msgspec.structs.fields(struct))


def is_table_of(kind: object, wanted: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct) and repr(kind.__name__) in repr_of(wanted)


def repr_of(wanted: object) -> str:
    return repr(re.findall(r"tables\.(\w+)", str(wanted)))


def test_every_key_has_a_remark_in_both_languages_and_no_other() -> None:
    assert sorted(keys()) == sorted(REMARKS)
    assert all(all(text.strip() for text in pair) for pair in REMARKS.values())
    assert set(EXAMPLES) <= set(REMARKS)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_key_is_mentioned(language: str) -> None:
    text = render(FULL, language)
    table = ""
    found = set()
    for line in text.splitlines():
        if header := re.fullmatch(r"#?\[+(\w+)\]+", line):
            table = header[1]
            found.add(table)
        elif key := re.match(r"#?(\w+) = ", line):
            found.add(f"{table}.{key[1]}")
    assert set(REMARKS) <= found
    for device in DEVICES:
        for field in msgspec.structs.fields(Registry().load(device["driver"]).settings_type):
            assert re.search(rf"^#? ?{field.encode_name}( = |: )", text, re.MULTILINE), field.encode_name


def test_a_shown_default_is_the_default() -> None:
    """Every ``#key = …`` that is no example changes nothing when its ``#`` goes."""
    text, table, lines = render(FULL, "en"), "", []
    for line in text.splitlines():
        if header := re.fullmatch(r"#?\[+(\w+)\]+", line):
            table = header[1]
        example = f"{table}.{line[1:].partition(' ')[0]}" in EXAMPLES or table in ("requester", "sealing")
        lines.append(line[1:] if re.match(r"#\w+ = ", line) and not example else line)
    changed = "\n".join(lines)
    assert changed.count("\nallow = ") == 1
    assert len(tomllib.loads(changed)["retention"]) == 3
    place, wishes = Place("/x.toml"), Wishes("en", credentials=False)
    plain = outcome.prepare(tomllib.loads(text), place, wishes, lambda _: [])
    whole = outcome.prepare(tomllib.loads(changed), place, wishes, lambda _: [])
    assert len(plain.config.devices) == 4
    assert plain.config == whole.config


def test_the_two_languages_have_the_same_words() -> None:
    assert TEXTS["zh"].keys() == TEXTS["en"].keys()
    for name, text in TEXTS["zh"].items():
        assert re.findall(r"\{\w+\}", text) == re.findall(r"\{\w+\}", TEXTS["en"][name]), name
        if not re.search(r"\{\w+\}", text):
            assert max(width(text), width(TEXTS["en"][name])) <= 80, name


def values() -> st.SearchStrategy[Any]:
    plain = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text()
    return st.recursive(plain, lambda one: st.lists(one) | st.dictionaries(st.text(), one), max_leaves=8)


@given(values())
@settings(max_examples=150)
def test_every_value_comes_back(value: object) -> None:
    assert tomllib.loads(f"a = {toml_text.value(value)}") == {"a": value}


@given(st.text() | st.sampled_from(HOSTILE))
@settings(max_examples=100)
def test_a_remark_stays_a_remark(text: str) -> None:
    assert tomllib.loads(f"# {toml_text.remark(text)}\na = 1") == {"a": 1}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_device_calls_itself_breaks_nothing(name: str) -> None:
    offer = Offer("serial:///dev/gun", f"x{name}", {"prefix": name, "content": "public"})
    thing = Thing(name, (), (Proposal("code_serial", offer, "gun-1"),))
    listed = devices.choices(Findings([thing]))
    line = devices.listing(listed, "zh")[1]
    assert line.isprintable()
    assert width(line) <= 80
    document = {**HEAD, "device": devices.chosen("1", listed)}
    clean = name.encode("utf-8", "replace").decode() if name != "\ud800" else "\ufffd"
    if name == "\ud800":  # TOML cannot say half a character: refused, not written as something else
        with pytest.raises(Exception, match="not what was meant"):
            outcome.prepare(document, Place("/x.toml"), Wishes("zh"), lambda _: [])
        return
    made = outcome.prepare(document, Place("/x.toml"), Wishes("zh"), lambda _: [f"found {name}"])
    assert made.config.devices[0].settings.prefix == clean  # type: ignore[attr-defined]
    assert [device.name for device in made.config.devices] == ["gun-1"]
    pasted = "\n".join(config_lines(Findings([thing]), "zh"))
    assert tomllib.loads(pasted)["device"][0]["prefix"] == clean


def test_only_one_of_what_stands_for_one_device_is_taken() -> None:
    bridge = Plugged("tty", "/dev/ttyUSB0", (), 0x1A86, 0x7523, None, "1-2", "QinHeng", "USB Serial", ((255, 1, 2),))
    drivers = {name: Registry().load(name) for name in ("code_serial", "idcard_sdt", "pad_serial")}
    listed = devices.choices(find([bridge], [], drivers, ()))
    assert (len(listed), devices.by_default(listed)) == (3, "0")
    assert [one["name"] for one in devices.chosen("3", listed)] == ["pad-1"]
    assert devices.chosen("３", listed) == devices.chosen(" 3，", listed)  # as an input method types it
    for wrong in ("1,2", "4", "1 x", "-1", "1.5", "", "²", "0,1"):
        with pytest.raises(Exception, match=r"no number of the list|two entries for one device"):
            devices.chosen(wrong, listed)


def test_what_was_found_is_taken_by_its_name() -> None:
    gun = Plugged("tty", "/dev/ttyACM0", (), 0x0C2E, 0x0B61, "SN7", "1-1.2", "Honeywell", "Xenon", ((2, 2, 1),))
    listed = devices.choices(find([gun], [], {"code_serial": Registry().load("code_serial")}, ()))
    assert devices.given(["gun-1"], listed) == devices.given(["all"], listed) == [listed[0].table]
    assert devices.given(["none"], listed) == []
    with pytest.raises(Exception, match='no device "gun-2" was found; there is gun-1'):
        devices.given(["gun-2"], listed)


def test_the_written_file_is_what_check_takes(pc: Pc) -> None:
    arguments = ("--hall", "h", "--window", "w", "--broker", "mqtt://localhost", "--lab", "--yes", "--device", GUN)
    for lang in ("zh", "en"):
        assert init(pc, *arguments, "--force", lang=lang).code == 0
        assert pc.load().devices[0].name == "gun-1"


def test_columns() -> None:
    assert [width(text) for text in ("abc", "身份证", "e\u0301", "")] == [3, 6, 1, 0]
    assert fitted("身份证", 8) == "身份证  "
    assert [cut("身份证阅读器", columns) for columns in (12, 11, 6, 5)] == [
        "身份证阅读器",
        "身份证阅读…",
        "身份…",
        "身份…",
    ]
    assert width(fitted("身份证阅读器", 6)) == 6

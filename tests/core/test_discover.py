"""``hall-edge discover``: matching hardware, drivers and configuration, and what is printed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from edge.config import Device, load
from edge.driver import Driver
from edge.errors import ConfigError
from edge.plugging.plugged import Offer, Plugged
from edge.registry import Registry
from edge.tools.discover.output import as_json, config_lines, lines, note_text
from edge.tools.discover.texts import TEXTS, language
from edge.tools.discover.things import Findings, Note, Proposal, find

SHIPPED = ("code_serial", "idcard_sdt", "pad_serial")
GUN = Plugged(
    "tty", "/dev/ttyACM0", (), 0x0C2E, 0x0B61, "SN7", "1-1.2", "Honeywell", "Xenon 1950", ((2, 2, 1), (10, 0, 0))
)
READER = Plugged("usb", "/dev/bus/usb/001/005", (), 0x0400, 0xC35A, None, "1-1.3", None, None, ((255, 0, 0),))
SECOND = Plugged("usb", "/dev/bus/usb/001/006", (), 0x0400, 0xC35A, None, "1-1.4", None, None, ((255, 0, 0),))
BRIDGE = Plugged("tty", "/dev/ttyUSB0", (), 0x1A86, 0x7523, None, "1-2", "QinHeng", "USB Serial", ((255, 1, 2),))
MOUSE = Plugged("usb", "/dev/bus/usb/001/002", (), 0x046D, 0xC077, None, "1-3", "Logitech", "USB Mouse", ((3, 1, 2),))
COM = Plugged("tty", "/dev/ttyS0")
BUTTON = Plugged("input", "/dev/input/event0")
DESK = (GUN, READER, BRIDGE, MOUSE, COM, BUTTON)
HEAD = '[window]\nhall = "h"\nwindow = "w"\nlab = true\n[mqtt]\nurl = "mqtt://localhost"\n'

ZH = """\
# 已插入的设备  主机 pc  2026-11-22 08:41
# ------------------------------------------------------------------------------
# [ NEW] 1-1.2      0c2e:0b61  code_serial   Honeywell Xenon 1950：新设备，配置见下
# [ NEW] 1-1.3      0400:c35a  idcard_sdt    0400:c35a：新设备，配置见下
# [ ASK] 1-2        1a86:7523  ?             QinHeng USB Serial：不能确定是什么设备，候选配置见下
# [ -- ] 1-3        046d:c077  -             Logitech USB Mouse：没有适用的驱动，不会被使用
# [SKIP] 驱动 camera_uvc 未参与查找：缺少软件包（hall-edge check 说明安装方法，代码 CFG-122）
# ------------------------------------------------------------------------------
# 已配置 0，新设备 2，待确认 1，未知 1
# 粘贴到配置文件（默认 /etc/hall-edge/hall-edge.toml），然后运行 hall-edge check：

# 1-1.2  Honeywell Xenon 1950
[[device]]
name = "gun-1"
driver = "code_serial"
address = "serial:0c2e:0b61"

# 1-1.3  0400:c35a
[[device]]
name = "id-1"
driver = "idcard_sdt"
address = "usb:0400:c35a"

# 1-2  QinHeng USB Serial  (不能确定：去掉其中一组的 # 号)
# [[device]]
# name = "gun-2"
# driver = "code_serial"
# address = "serial:1a86:7523"

# [[device]]
# name = "id-2"
# driver = "idcard_sdt"
# address = "serial:1a86:7523"

# [[device]]
# name = "pad-1"
# driver = "pad_serial"
# address = "serial:1a86:7523"
# profile = "aa55_xor"
"""
EN_HEAD = """\
# plugged in  host pc  2026-11-22 08:41
# ------------------------------------------------------------------------------
# [ SET] 1-1.2      0c2e:0b61  -             Honeywell Xenon 1950: configured as gun-1
# [ -- ] 1-3        046d:c077  -             Logitech USB Mouse: no driver fits, it is not used
# [ ASK] /dev/ttyS0 -          ?             /dev/ttyS0: cannot be told for sure, the candidates are below
# ------------------------------------------------------------------------------
# 1 configured, 0 new, 1 to be chosen, 1 unknown
"""


@cache
def drivers() -> dict[str, type[Driver]]:
    return {name: Registry().load(name) for name in SHIPPED}


def known(tmp_path: Path, *addresses: str) -> Sequence[Device]:
    tables = [
        f'[[device]]\nname = "gun-{number}"\ndriver = "code_serial"\naddress = "{address}"\n'
        for number, address in enumerate(addresses, 1)
    ]
    file = tmp_path / "known.toml"
    file.write_text(HEAD + "".join(tables))
    return load(file).devices


def printed(findings: Findings, language: str) -> str:
    return "\n".join(lines(findings, language, "pc", "2026-11-22 08:41")) + "\n"


def test_the_whole_text_in_chinese() -> None:
    findings = find(DESK[:4], [], drivers(), ())
    findings.notes.append(Note("missing", "camera_uvc", "CFG-122"))
    assert printed(findings, "zh") == ZH


def test_the_table_in_english_with_what_is_configured(tmp_path: Path) -> None:
    findings = find((GUN, MOUSE, COM, BUTTON), [], drivers(), known(tmp_path, "serial:0c2e:0b61"))
    text = printed(findings, "en")
    assert text.startswith(EN_HEAD)
    assert 'name = "gun-2"' in text  # gun-1 is taken
    assert text.count("[[device]]") == 3
    assert "event0" not in text


def test_both_languages_say_the_same_things() -> None:
    assert TEXTS["zh"].keys() == TEXTS["en"].keys()
    for code, text in TEXTS["zh"].items():
        assert text.count("{") == TEXTS["en"][code].count("{"), code


def alternatives(text: str) -> list[str]:
    """Return the tables that are commented out, each without its ``#``."""
    blocks = text.split("\n\n")
    return ["\n".join(line.removeprefix("# ") for line in block.splitlines() if " = " in line or "[[" in line)
            for block in blocks if "# [[device]]" in block]  # fmt: skip


def test_what_is_printed_can_be_pasted_and_checked(tmp_path: Path) -> None:
    things = (*DESK, SECOND, Plugged("tty", "/dev/ttyUSB1", (), 0x1A86, 0x7523, None, "1-4", "Q\"'\\", "\u4e2d#"))
    text = printed(find(things, [], drivers(), ()), "zh")
    file = tmp_path / "pasted.toml"
    file.write_text(HEAD + text, encoding="utf-8")
    sure = load(file).devices
    assert [(one.name, one.driver) for one in sure] == [
        ("gun-1", "code_serial"),
        ("id-1", "idcard_sdt"),
        ("id-2", "idcard_sdt"),
    ]
    assert len(alternatives(text)) == 9
    assert "# [ NEW] 1-1.4" in text
    for table in alternatives(text):
        file.write_text(HEAD + text + table, encoding="utf-8")
        assert len(load(file).devices) == 4


def test_two_of_one_make_get_what_tells_them_apart() -> None:
    def addresses(*serials: str | None) -> list[str]:
        twins = [
            Plugged("usb", None, (), 0x0400, 0xC35A, serial, f"1-{number}") for number, serial in enumerate(serials)
        ]
        return [thing.proposals[0].offer.address for thing in find(twins, [], drivers(), ()).things]

    assert addresses("A") == ["usb:0400:c35a"]
    assert addresses("A 1", "B") == ["usb:0400:c35a?serial=A%201", "usb:0400:c35a?serial=B"]
    assert addresses("A", "A") == ["usb:0400:c35a?port=1-0", "usb:0400:c35a?port=1-1"]
    assert addresses("A", None) == ["usb:0400:c35a?port=1-0", "usb:0400:c35a?port=1-1"]
    assert addresses("A", "\u540d") == ["usb:0400:c35a?port=1-0", "usb:0400:c35a?port=1-1"]


def test_a_configured_address_that_fits_two_devices_is_told(tmp_path: Path) -> None:
    twin = Plugged("tty", "/dev/ttyACM1", (), 0x0C2E, 0x0B61, "SN8", "1-1.10")
    findings = find((twin, GUN), [], drivers(), known(tmp_path, "serial:0c2e:0b61"))
    assert findings.notes == [Note("several", "gun-1", "1-1.2, 1-1.10")]
    assert "port=" in note_text(findings.notes[0], "zh")
    assert not [thing for thing in findings.things if thing.proposals]


def test_what_a_driver_found_elsewhere_is_offered_unless_it_is_configured(tmp_path: Path) -> None:
    far = [Proposal("code_serial", Offer(f"tcp://192.0.2.{last}:4001", "Gun on the net")) for last in (7, 8)]
    findings = find([], far, drivers(), known(tmp_path, "tcp://192.0.2.8:4001"))
    assert [(thing.state, thing.configured) for thing in findings.things] == [("new", ()), ("configured", ("gun-1",))]
    assert '"tcp://192.0.2.7:4001"' in "\n".join(config_lines(findings, "en"))
    assert "[ SET] -          -          -             Gun on the net: configured as gun-1" in printed(findings, "en")


def test_what_sysfs_and_a_driver_both_found_is_told_once() -> None:
    again = [Proposal("idcard_sdt", Offer("usb:0400:c35a", "the same one"))]
    assert [thing.title for thing in find([READER], again, drivers(), ()).things] == ["0400:c35a"]


class Foreign(drivers()["code_serial"]):  # type: ignore[misc]
    """A driver from elsewhere, with faults."""

    @classmethod
    def fits(cls, found: Plugged) -> Offer | None:
        if found is MOUSE:
            raise ValueError("a bug")
        return Offer("usb:nonsense", "x") if found is READER else None


def test_a_driver_with_faults_is_told_and_left_out() -> None:
    findings = find((READER, MOUSE, GUN), [], {"foreign": Foreign, **drivers()}, ())
    assert findings.notes == [Note("broken-driver", "foreign", "ValueError"), Note("bad-offer", "foreign", "CFG-131")]
    assert [one.driver for thing in findings.things for one in thing.proposals] == ["idcard_sdt", "code_serial"]


def test_json_holds_everything(tmp_path: Path) -> None:
    findings = find(DESK, [], drivers(), known(tmp_path, "serial:0c2e:0b61"))
    told = json.loads(as_json(findings))
    assert told["schema"] == "hall-edge.discover/1"
    assert [thing["state"] for thing in told["things"]] == ["configured", "new", "ask", "unknown", "ask"]
    assert told["things"][0]["configured"] == ["gun-1"]
    assert told["things"][1]["proposals"] == [
        {
            "name": "id-1",
            "driver": "idcard_sdt",
            "address": "usb:0400:c35a",
            "settings": {},
            "title": "0400:c35a",
            "sure": True,
        }
    ]
    file = tmp_path / "pasted.toml"
    file.write_text(HEAD + told["config"], encoding="utf-8")
    assert [device.name for device in load(file).devices] == ["id-1"]


def test_nothing_at_all() -> None:
    assert "没有找到任何设备" in printed(find([], [], drivers(), ()), "zh")
    assert "[[" not in printed(find([], [], drivers(), ()), "en")


@pytest.mark.parametrize(
    ("environ", "chosen"),
    [
        ({}, "zh"),
        ({"LANG": "C.UTF-8"}, "zh"),
        ({"LANG": "en_GB.UTF-8"}, "en"),
        ({"LANG": "en_US", "LC_ALL": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN", "LC_MESSAGES": "en_US"}, "en"),
    ],
)
def test_the_language_is_the_locales_else_chinese(environ: dict[str, str], chosen: str) -> None:
    assert language(environ) == chosen


@pytest.mark.parametrize("found", DESK)
@pytest.mark.parametrize("name", SHIPPED)
def test_every_offer_is_an_address_that_its_driver_takes(name: str, found: Plugged, tmp_path: Path) -> None:
    offer = drivers()[name].fits(found)
    if offer is None:
        return
    file = tmp_path / "one.toml"
    settings = "".join(f"{key} = {json.dumps(value)}\n" for key, value in offer.settings.items())
    file.write_text(f'{HEAD}[[device]]\nname = "d"\ndriver = "{name}"\naddress = "{offer.address}"\n{settings}')
    try:
        load(file)
    except ConfigError as error:
        pytest.fail(str(error))

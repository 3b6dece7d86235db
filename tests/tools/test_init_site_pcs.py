"""Which window of a site file is a PC's, and the check of all windows at once."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from edge.errors import ConfigError
from edge.tools.init.site import read_site
from edge.tools.init.site_pc import entry_named, entry_of, this_pc
from tests.tools.init_rig import Pc, init

ID = "3d1219c7c4c5404aaa1f6d2a48adfda4"
MAC = "52:54:00:12:34:56"
SITE = """\
[site]
hall = "songjiang"
[mqtt]
url = "mqtts://10.20.1.5:8883"
certificate = "/etc/hall-edge/{window}.pem"
key = "/etc/hall-edge/{window}.key"
[[subscriber]]
name = "case-system"
key = "/etc/hall-edge/case-system.jwk"
[[device]]
name = "gun-1"
driver = "code_serial"
address = "serial:///dev/hall-edge/gun"
"""
WINDOWS, MOST_S = 500, 12.0


def card(pc: Pc, mac: str, name: str = "enp1s0", *, real: bool = True) -> None:
    """Give the PC a network card."""
    folder = pc.root / "sys/class/net" / name
    folder.mkdir(parents=True)
    (folder / "address").write_text(f"{mac}\n", encoding="ascii")
    if real:
        (folder / "device").mkdir()


def site_of(tmp_path: Path, *entries: str) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(SITE + "".join(f"[[window]]\n{entry}\n" for entry in entries), encoding="utf-8")
    return path


def found(pc: Pc, path: Path) -> str:
    site = read_site(str(path))
    return site.label(entry_of(site, this_pc(str(pc.root))))


def one(window: str, **marks: str) -> str:
    return "\n".join([f'window = "{window}"', *(f'{mark} = "{text}"' for mark, text in marks.items())])


@pytest.mark.parametrize(
    "marks",
    [
        {"hostname": "PC-0303"},
        {"hostname": "pc-0303", "machine_id": ID},
        {"machine_id": ID.upper()},
        {"mac": MAC},
        {"mac": MAC.upper().replace(":", "-")},
        {"serial": "SN-77"},
        {"hostname": "pc-0303", "mac": MAC, "serial": "sn-77", "machine_id": ID},
    ],
)
def test_a_pc_is_known_by_its_marks(pc: Pc, tmp_path: Path, marks: dict[str, str]) -> None:
    card(pc, MAC)
    (pc.root / "sys/class/dmi/id").mkdir(parents=True)
    (pc.root / "sys/class/dmi/id/product_serial").write_text("SN-77\n", encoding="ascii")
    path = site_of(tmp_path, one("w01", hostname="pc-0301"), one("w03", **marks), one("w05"))
    assert found(pc, path) == "songjiang/w03"


@pytest.mark.parametrize(
    "marks",
    [
        {"hostname": "pc-030"},
        {"hostname": "pc-0303", "machine_id": "0" * 32},
        {"mac": "52:54:00:12:34:57"},
        {"mac": "aa:aa:aa:aa:aa:aa"},
        {"serial": "default string"},
        {"hostname": ""},
        {"hostname": "pc-0303.other.example"},
    ],
)
def test_one_mark_that_does_not_fit_is_another_pc(pc: Pc, tmp_path: Path, marks: dict[str, str]) -> None:
    card(pc, MAC)
    card(pc, "aa:aa:aa:aa:aa:aa", "docker0", real=False)
    (pc.root / "sys/class/dmi/id").mkdir(parents=True)
    (pc.root / "sys/class/dmi/id/product_serial").write_text("Default string\n", encoding="ascii")
    with pytest.raises(ConfigError) as error:
        found(pc, site_of(tmp_path, one("w03", **marks)))
    assert error.value.code == "CFG-194"


def test_an_absent_pc_is_told_the_nearest(pc: Pc, tmp_path: Path) -> None:
    path = site_of(tmp_path, *(one(f"w{n:02}", hostname=f"pc-03{n:02}") for n in (1, 2, 13, 33)), one("w99"))
    with pytest.raises(ConfigError, match=r'no window is this PC.s \(hostname "pc-0303".*nearest: .*pc-03') as error:
        found(pc, path)
    assert error.value.problems[0].action.endswith("--window HALL/WINDOW")
    moved = site_of(tmp_path, one("w03", hostname="pc-0303", machine_id="0" * 32), one("w04", hostname="pc-9999"))
    with pytest.raises(ConfigError, match=rf'nearest: songjiang/w03 in line 14 \(machine_id "{"0" * 32}"\)'):
        found(pc, moved)


def test_two_that_fit_are_both_named(pc: Pc, tmp_path: Path) -> None:
    path = site_of(tmp_path, one("w03", hostname="pc-0303"), one("w04", machine_id=ID))
    with pytest.raises(
        ConfigError, match=r"2 windows are this PC's .*w03 in line 14, songjiang/w04 in line 17"
    ) as error:
        found(pc, path)
    assert error.value.code == "CFG-195"


def test_a_window_that_is_named(tmp_path: Path) -> None:
    twice = [one("w03", hostname="a"), one("w03", hostname="b"), one("w11", hostname="c")]
    site = read_site(str(site_of(tmp_path, *twice)))
    assert entry_named(site, "w11") == entry_named(site, "songjiang/w11") == 2
    with pytest.raises(ConfigError, match=r"songjiang/w03 stands there 2 times: line 14, line 17"):
        entry_named(site, "w03")
    with pytest.raises(ConfigError, match=r'no window "songjiang/w12"; nearest: songjiang/w11'):
        entry_named(site, "w12")


def test_all_mistakes_of_all_windows_at_once(pc: Pc, tmp_path: Path) -> None:
    path = site_of(
        tmp_path,
        one("w01", hostname="a"),
        one("w01", hostname="A"),
        one("W03", hostnam="c"),
        one("w04", mac=MAC) + '\n[window.log]\nlevel = "loud"',
        one("w05", mac=MAC),
        one("w06") + '\n[[window.device]]\nname = "gun-1"\nprefixx = "x"',
    )
    done = init(pc, "--site", str(path), "--check")
    assert done.code == 5
    for said in (
        r':18: the window "songjiang/w01" is already used in line 14',
        r':19: the hostname "A" is already used in line 14',
        r":21: window: expected a text",
        r':22: unknown key "hostnam" .*"hostname"',
        r':27: level: expected one of "error"',
        rf':30: the mac "{MAC}" is already used in line 23',
        r':35: unknown key "prefixx"',
    ):
        assert re.search(said, done.err), (said, done.err)
    assert "7 mistakes in 6 windows" in done.err
    assert not pc.config.exists()


def test_a_common_mistake_is_told_once(pc: Pc, tmp_path: Path) -> None:
    path = site_of(tmp_path, *(one(f"w{n:02}") for n in range(20)))
    path.write_text(path.read_text(encoding="utf-8").replace("address =", "addres ="), encoding="utf-8")
    done = init(pc, "--site", str(path), "--check")
    assert re.search(r':13: unknown key "addres" .* \[songjiang/w00 and 19 more windows\]', done.err)
    assert "2 mistakes in 20 windows" in done.err


@pytest.mark.slow
def test_500_windows_are_checked_in_seconds(pc: Pc, tmp_path: Path) -> None:
    halls = [f"hall-{number}" for number in range(20)]
    entries = [
        f'hall = "{hall}"\n' + one(f"w{n:02}", hostname=f"{hall}-w{n:02}")
        + f'\n[[window.device]]\nname = "gun-1"\naddress = "serial:///dev/hall-edge/gun-{n}"\n'
        for hall in halls for n in range(WINDOWS // len(halls))
    ]  # fmt: skip
    path = site_of(tmp_path, *entries)
    began = time.process_time()
    done = init(pc, "--site", str(path), "--check")
    assert time.process_time() - began < MOST_S
    assert done.code == 0, done.err
    assert f"valid — {WINDOWS} windows; 51 files are not on this PC and were not looked at" in done.out
    pc.name("hall-7-w13")
    began = time.process_time()
    assert found(pc, path) == "hall-7/w13"
    assert time.process_time() - began < 2

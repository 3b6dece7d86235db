"""One site file for a district: merging, idempotence, and what is said of mistakes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.code_serial import CodeSettings
from drivers.pad_serial import PadSettings
from tests.tools.init_rig import Done, Pc, init

SITE = """\
[site]
hall = "songjiang"

[mqtt]
url = "mqtts://10.20.1.5:8883"
ca = "/etc/hall-edge/ca.pem"
certificate = "/etc/hall-edge/{window}.{hall}.pem"
key = "/etc/hall-edge/{window}.{hall}.key"

[[subscriber]]
name = "case-system"
key = "/etc/hall-edge/case-system.jwk"

[[subscriber]]
name = "statistics"

[[device]]
name = "pad-1"
driver = "pad_serial"
address = "serial:///dev/hall-edge/pad"
profile = "aa55_xor"

[[device]]
name = "id-1"
driver = "idcard_sdt"
address = "serial:///dev/hall-edge/id-card"

[[window]]
window = "w01"
hostname = "pc-0301"

[[window]]
window = "w03"
hostname = "pc-0303"
without = ["statistics", "id-1"]

[window.log]
level = "debug"

[[window.device]]
name = "pad-1"
profile = "stx_len16"
address = "serial:///dev/hall-edge/pad-left"

[[window.device]]
name = "gun-1"
driver = "code_serial"
address = "serial:///dev/hall-edge/gun"
content = "public"

[[window]]
hall = "qingpu"
window = "w03"
hostname = "pc-0403"
"""
Run = Callable[..., Done]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(SITE, encoding="utf-8")
    return path


@pytest.fixture
def run(pc: Pc, site: Path) -> Run:
    """Return a function that replaces texts in the site file and runs ``init --site``."""
    for name in ("window.pem", "window.key"):
        pc.receive(name)
        (pc.etc / name).rename(pc.etc / name.replace("window", "w03.songjiang"))
    pc.receive("ca.pem", "case-system.jwk")

    def run(*flags: str, change: tuple[str, str] | None = None) -> Done:
        if change is not None:
            text = site.read_text(encoding="utf-8")
            assert change[0] in text
            site.write_text(text.replace(*change), encoding="utf-8")
        return init(pc, "--site", str(site), *flags)

    return run


def test_this_pcs_window_is_made_of_common_and_own(pc: Pc, run: Run) -> None:
    done = run()
    assert done.code == 0, done.err
    config = pc.load()
    assert (config.window.hall, config.window.window) == ("songjiang", "w03")
    assert config.log.level == "debug"
    assert [one.name for one in config.subscribers] == ["case-system"]
    pad, gun = config.devices
    assert isinstance(pad.settings, PadSettings)
    assert isinstance(gun.settings, CodeSettings)
    assert (pad.settings.profile, pad.address.target) == ("stx_len16", "/dev/hall-edge/pad-left")
    assert (gun.name, gun.settings.content) == ("gun-1", "public")
    assert "LoadCredential=window-key:/etc/hall-edge/w03.songjiang.key" in pc.drop_in.read_text(encoding="utf-8")
    assert "  sudo systemctl daemon-reload\n  sudo systemctl start hall-edge\n  sudo hall-edge selftest\n" in done.out


def test_the_head_names_the_site_file(pc: Pc, run: Run, site: Path) -> None:
    import hashlib

    assert run().code == 0
    digest = hashlib.sha256(site.read_bytes()).hexdigest()
    first, second, *_ = pc.config.read_text(encoding="utf-8").splitlines()
    assert first == "# songjiang/w03: made by hall-edge init --site; do not change it here but in site.toml"
    assert second == f"# site site.toml sha256 {digest}"


def test_what_has_not_changed_is_not_touched(pc: Pc, run: Run) -> None:
    assert run().code == 0
    before = pc.left(), pc.config.stat(), pc.drop_in.stat()
    done = run()
    assert (done.code, "is as it should be; not touched" in done.out) == (0, True)
    assert (pc.left(), pc.config.stat(), pc.drop_in.stat()) == before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('level = "debug"', 'level = "info"', "read it again:\n  sudo hall-edge reload\n"),
        ("/dev/hall-edge/gun", "/dev/hall-edge/gun-left", "read it again:\n  sudo hall-edge reload\n"),
        ('window = "w01"', 'window = "w02"', "Nothing in it is different"),
        ("# end", "# the end", "Nothing in it is different"),
        (
            "[window.log]",
            '[window.paths]\nstate = "/srv/hall-edge"\n[window.log]',
            "  sudo systemctl restart hall-edge\n",
        ),
        ("{window}.{hall}.key", "{window}.key", "  sudo systemctl daemon-reload\n  sudo systemctl restart hall-edge\n"),
    ],
)
def test_it_says_whether_to_reload_or_to_restart(pc: Pc, run: Run, site: Path, old: str, new: str, said: str) -> None:
    site.write_text(f"{SITE}# end\n", encoding="utf-8")
    (pc.etc / "w03.key").write_bytes((pc.etc / "w03.songjiang.key").read_bytes())
    (pc.etc / "w03.key").chmod(0o600)
    assert run().code == 0
    done = run(change=(old, new))
    assert done.code == 0, done.err
    assert said in done.out
    assert list(pc.etc.glob("*.bak")) == []
    assert "not touched" in run().out


def test_what_was_changed_by_hand_is_not_lost(pc: Pc, run: Run) -> None:
    assert run().code == 0
    changed = pc.config.read_text(encoding="utf-8").replace("debug", "info")
    pc.config.write_text(changed, encoding="utf-8")
    done = run()
    assert done.code == 5
    assert "was not made from a site file, or was changed since — add --force" in done.err
    assert pc.config.read_text(encoding="utf-8") == changed
    assert run("--force").code == 0
    (kept,) = pc.etc.glob("*.bak")
    assert kept.read_text(encoding="utf-8") == changed
    assert pc.load().log.level == "debug"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'profile = "aa55_xor"',
            'profil = "aa55_xor"',
            r'site.toml:LINE: unknown key "profil" .*did you mean "profile"',
        ),
        ("[mqtt]", "[mqttt]", r'site.toml:LINE: unknown key "mqttt" .*did you mean "mqtt"'),
        ('level = "debug"', 'lvl = "debug"', r'site.toml:LINE: unknown key "lvl" .*did you mean "level"'),
        ("without =", "witout =", r'site.toml:LINE: unknown key "witout" .*did you mean "without"'),
        ('"statistics", "id-1"', '"id-2"', r'site.toml:LINE: without: nothing common is called "id-2" .*"id-1"'),
        ("{hall}.key", "{hal}.key", r'site.toml:LINE: key: there is no placeholder "{hal}" .*did you mean "hall"'),
        ('"code_serial"', '"code_seral"', r'site.toml:LINE: unknown driver "code_seral" .*did you mean "code_serial"'),
        ('name = "gun-1"', "nme = 3", r"site.toml:4[45]: "),
        ("/dev/hall-edge/gun", "/dev/hall-edge/pad-left", r"site.toml:48: the address .* is already used in line 43"),
        ('url = "mqtts:', 'url = "mqtt:', r"site.toml:\d: "),
        ("[mqtt]\n", "mqtt = 3\n[x]\n", r"site.toml:\d+: "),
        ("[window.log]\n", "[[window.log]]\n", r"site.toml:LINE: "),
        ('hall = "songjiang"', "halls = 1", r"site.toml:LINE: unknown key \"halls\""),
        ('hall = "songjiang"', "", r"site.toml:32: hall is missing — add hall to \[\[window\]\], or to \[site\]"),
        ("[[window]]", "[window]", r"site.toml:\d+: "),
        ("hostname", "hostnam", r"no window is this PC's .*nearest: "),
    ],
)
def test_a_mistake_is_named_with_its_line(pc: Pc, run: Run, site: Path, old: str, new: str, said: str) -> None:
    before = pc.left()
    done = run(change=(old, new))
    assert done.code == 5
    text = site.read_text(encoding="utf-8")
    line = text.count("\n", 0, text.index(new.rstrip("\n") if new else SITE[:1])) + 1
    assert re.search(said.replace("LINE", str(line)), done.err), done.err
    assert " — " in done.err
    assert pc.left() == before


@pytest.mark.parametrize(
    "secret",
    [
        '# -----BEGIN PRIVATE KEY-----\n',
        "note = '''\n-----BEGIN EC PRIVATE KEY-----\n'''\n",
        "note = '{\"kty\": \"EC\", \"d\": \"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"}'\n",
        'note = "{\\"k\\": \\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\\"}"\n',
    ],
)  # fmt: skip
def test_a_private_key_in_it_is_refused_wherever_it_stands(run: Run, secret: str) -> None:
    for flags in ((), ("--check",)):
        done = run(*flags, change=(SITE, f"{SITE}{secret}") if not flags else None)
        assert done.code == 5
        assert re.search(r"site.toml:\d+: a private key stands in the site file", done.err)
        assert "f83OJ" not in done.err


def test_a_key_or_password_as_a_value_is_refused_and_not_shown(run: Run) -> None:
    done = run(change=('ca = "/etc/hall-edge/ca.pem"', 'password_file = "hunter2 hunter2"\nusername = "w"'))
    assert done.code == 5
    assert "password_file: its value cannot be read: names no file" in done.err
    assert "hunter2" not in done.err


def test_another_windows_mistake_stops_nobody_else(pc: Pc, run: Run) -> None:
    done = run(change=('hostname = "pc-0403"', 'hostname = 403\n[window.mqtt]\nurll = "x"\n[[window.device]]\nx = 1'))
    assert done.code == 0, done.err
    assert pc.config.exists()
    checked = run("--check")
    assert checked.code == 5
    assert "hostname: expected a text" in checked.err


def test_flags_that_stand_in_the_file_are_refused(run: Run) -> None:
    for flags in (("--hall", "x"), ("--lab",), ("--device", "none"), ("--password-file", "/x")):
        done = run(*flags)
        assert (done.code, f"{flags[0]}: not together with --site" in done.err) == (5, True)


def test_a_site_file_that_is_none(pc: Pc, tmp_path: Path) -> None:
    for content, said in (
        (None, "the site file cannot be read: No such file"),
        (b"\xff", "site.toml:1: the site file is not UTF-8"),
        (b"a = ", "site.toml:1: no TOML"),
        (b"", r"there is no [[window]]"),
        (b"window = [3]\n", "expected a table"),
    ):
        path = tmp_path / "site.toml"
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        done = init(pc, "--site", str(path), "--window", "?/?")
        assert (done.code, said in done.err) == (5, True), done.err


def test_a_dry_run_at_the_desk_needs_no_files_of_the_window(run: Run, pc: Pc) -> None:
    before = pc.left()
    done = run("--dry-run", "--window", "qingpu/w03")
    assert done.code == 0, done.err
    assert 'hall = "qingpu"' in done.out
    assert pc.left() == before


def test_its_windows_are_printed_for_the_authority(run: Run) -> None:
    done = run("--list")
    assert (done.code, done.out) == (0, "songjiang/w01\nsongjiang/w03\nqingpu/w03\n")


def test_a_window_may_be_named(run: Run, pc: Pc) -> None:
    pc.name("another")
    assert run().code == 5
    done = run("--window", "w03")
    assert done.code == 0, done.err
    assert 'note: songjiang/w03: hostname of its entry in line 32 is not this PC\'s (hostname "another"' in done.out

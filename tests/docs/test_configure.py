"""docs/administrator.md, "Configure", and docs/technician.md, "第一次安装": the commands as they stand there."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from edge.tools.files import DEFAULT_CONFIG
from edge.tools.init import CODES
from edge.tools.init.site_pc import MARKS
from tests.docs.blocks import blocks
from tests.support.authority import Authority
from tests.support.project import ROOT
from tests.tools.init_files import Files, make_files
from tests.tools.init_rig import Done, Pc, init, terminal

ADMINISTRATOR = "docs/administrator.md"
WINDOW = "w03.songjiang-district"


def commands(text: str) -> list[list[str]]:
    """Return the commands of *text* without the program, each as its words."""
    found = [
        shlex.split(line)
        for block in blocks(ADMINISTRATOR, "sh") if text in block
        for line in block.replace("\\\n", " ").splitlines()
    ]  # fmt: skip
    assert found
    return [words[1:] for words in found]


def site_file() -> str:
    (text,) = [block for block in blocks(ADMINISTRATOR, "text") if "[[window]]" in block]
    return text


@pytest.fixture
def pc(tmp_path: Path) -> Pc:
    """A PC with the files that the document tells of."""
    authority = Authority(tmp_path / "authority")
    issued = authority.issue(WINDOW)
    own = {"ca.pem": authority.ca, "window.pem": issued.certificate, "window.key": issued.key, "w03.pem":
           issued.certificate, "w03.key": issued.key, "crl.pem": authority.revocations()}  # fmt: skip
    office = make_files(tmp_path / "office").content["case-system.jwk"]
    files = Files({**{name: path.read_bytes() for name, path in own.items()}, "case-system.jwk": office})
    made = Pc(tmp_path / "root", files)
    made.receive(*files.content)
    return made


def run(pc: Pc, words: list[str]) -> Done:
    assert words[0] == "init"
    return init(pc, *words[1:])


def test_by_flags(pc: Pc) -> None:
    by_flags, check = commands("hall-edge init --yes")
    done = run(pc, by_flags)
    assert done.code == 0, done.err
    assert check == ["check"]
    config = pc.load()
    assert [device.name for device in config.devices] == ["id-1", "pad-1"]
    assert config.mqtt.crl == f"{pc.etc}/crl.pem"
    text = pc.config.read_text(encoding="utf-8")
    assert 'key = "credential:window-key"' in text
    assert "LoadCredential=window-key:/etc/hall-edge/window.key" in pc.drop_in.read_text(encoding="utf-8")
    assert f"{pc.root}{DEFAULT_CONFIG}" == str(pc.config)


def test_a_site_file(pc: Pc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("site.toml").write_text(site_file(), encoding="utf-8")
    check, make = commands("hall-edge init --site")
    checked = run(pc, check)
    assert (checked.code, "valid — 2 windows" in checked.out) == (0, True), checked.err
    assert run(pc, make).code == 0
    assert pc.load().window.window == "w03"
    assert "not touched" in run(pc, make).out
    pc.name("another", "5b0f3c1d9a7e4b52a2a87c1f6d3e9b10")
    done = run(pc, [*make, "--dry-run"])
    assert 'hall = "qingpu-district"' in done.out
    assert "pad-1" not in re.sub("^#.*", "", done.out, flags=re.MULTILINE)
    assert all(mark in site_file() for mark in MARKS)


def test_every_code_of_it_is_explained() -> None:
    text = (ROOT / ADMINISTRATOR).read_text(encoding="utf-8")
    assert not [code for code in CODES if f"| `{code}`" not in text and f" `{code}` |" not in text]


@pytest.mark.slow
def test_the_technicians_five_answers(pc: Pc) -> None:
    text = (ROOT / "docs/technician.md").read_text(encoding="utf-8")
    section = text.partition("## 第一次安装")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| \d \|[^|]*\|[^`|]*`([^`]+)`", section, re.MULTILINE)
    hall, window, broker = rows[:3]
    assert "sudo hall-edge init\n" in section
    with terminal(pc, "--device", "none", environ={"LC_ALL": "zh_CN.UTF-8", "PATH": os.environ["PATH"]}) as screen:
        for question, answer in (("1/5", hall), ("2/5", window), ("3/5", broker), ("4/5", "")):
            screen.expect(question)
            screen.type(answer)
        assert screen.end() == 0, screen.text
        for line in re.findall(r"^sudo (systemctl .*)$", section, re.MULTILINE):
            assert line in screen.text
    assert pc.load().mqtt.url == broker

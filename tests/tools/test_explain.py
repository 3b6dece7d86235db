"""``hall-edge explain``: offline, in both languages, whatever case the code is written in."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from edge.cli import main
from edge.messages import catalogue
from edge.tools.columns import width


def explained(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["explain", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize("spelled", ["SER-104", "ser-104", "ser104", "Ser 104", "[SER-104]", "SER-104："])
def test_a_code_is_found_however_it_is_written(spelled: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = explained(capsys, spelled, "--lang", "zh")
    entry = catalogue()["SER-104"].zh
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"SER-104  {entry.title}",
        f"    影响：{entry.effect}",
        f"    处理：{entry.action}",
        "    负责：现场技术员",
    ]


def test_it_is_the_same_in_english(capsys: pytest.CaptureFixture[str]) -> None:
    _, zh, _ = explained(capsys, "SER-104", "MQT-112", "--lang", "zh")
    _, en, _ = explained(capsys, "SER-104", "MQT-112", "--lang", "en")
    assert [line[:7] == "SER-104" for line in zh.splitlines()] == [line[:7] == "SER-104" for line in en.splitlines()]
    assert len(zh.splitlines()) == len(en.splitlines()) == 9
    assert "    who: technician on site" in en.splitlines()


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("SER-199", "there is no code SER-199; nearest: SER-1"),
        ("sre-104", "there is no code sre-104; nearest: "),
        ("\x1b[2J", "there is no code ?[2J; hall-edge explain alone lists all"),
        ("9" * 99, f"there is no code {'9' * 40};"),
    ],
)
def test_an_unknown_code_gets_the_nearest(code: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    exit_code, out, err = explained(capsys, code, "DEV-101", "--lang", "en")
    assert exit_code == 2
    assert out.startswith("DEV-101")  # the others are told all the same
    assert err.startswith(says)


def test_without_a_code_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = explained(capsys, "--lang", "zh")
    lines = out.splitlines()
    assert code == 0
    assert [line[:7] for line in lines] == list(catalogue())
    assert "SER-101  technician     串口不存在" in lines


def test_scripts_get_both_languages(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = explained(capsys, "dev-101", "DEV-101", "--json")
    (one,) = json.loads(out)
    assert (one["code"], one["who"], one["zh"]["title"]) == ("DEV-101", "technician", "设备未连接")
    assert one["en"].keys() == one["zh"].keys() == {"title", "effect", "action"}


def test_it_fits_a_terminal_of_eighty_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for lang in ("zh", "en"):
        _, out, _ = explained(capsys, *catalogue(), "--lang", lang)
        assert max(map(width, out.splitlines())) <= 80


def test_it_needs_neither_the_daemons_libraries_nor_a_driver() -> None:
    code = (
        "import sys; from edge.cli import main; main(['explain', 'IDC-101']);"
        "print(sorted({'drivers', 'edge.app', 'paho', 'asyncio', 'cryptography'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"

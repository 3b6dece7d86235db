"""The verb itself: plays, prints the events, and holds them against a golden file."""

from __future__ import annotations

import argparse
import asyncio
import difflib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from edge.messages.language import Lang, add_language_argument, language
from edge.tools.files import write_new
from edge.tools.lines import event_line
from edge.tools.replay.play import END, Played, play
from edge.tools.replay.read import read
from edge.tools.stage import Stage

FAILED = 1
_TEXTS: dict[Lang, dict[str, str]] = {
    "zh": {
        "whole": "共 {events} 个事件；已播放到结尾",
        "not": "共 {events} 个事件；播放到 {end} 结束（hall-edge explain {end}）",
        "golden": "已写入 {path}",
        "same": "与 {path} 一致",
        "differs": "与 {path} 不一致：",
    },
    "en": {
        "whole": "{events} events; played to the end",
        "not": "{events} events; it ended with {end} (hall-edge explain {end})",
        "golden": "{path} is written",
        "same": "the same as {path}",
        "differs": "not the same as {path}:",
    },
}
_LIMIT_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hall-edge replay``."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a recording")
    parser.add_argument(
        "--config", "-c", type=Path, metavar="FILE", help="take the driver's settings from this configuration"
    )
    parser.add_argument("--broker", metavar="URL", help="play over this broker (default: an embedded one)")
    parser.add_argument(
        "--allow-driver",
        action="append",
        default=[],
        metavar="PACKAGE",
        help="the package of a driver that is not ours",
    )
    parser.add_argument("--json", action="store_true", help="print what a golden file holds")
    parser.add_argument(
        "--golden", action="store_true",
        help="compare with FILE's golden output beside it (.golden.json); write it where there is none",
    )  # fmt: skip
    parser.add_argument("--force", action="store_true", help="with --golden: write it anew")
    parser.add_argument(
        "--limit", type=float, default=_LIMIT_S, metavar="S", help="give up after so long (%(default)s s)"
    )
    add_language_argument(parser)


def run(chosen: argparse.Namespace) -> int:
    """Play one recording; 0 when it was played to its end, or is as its golden output says."""
    recording = read(chosen.file, chosen.config)
    with tempfile.TemporaryDirectory(prefix="hall-edge-") as folder, Stage(Path(folder)) as stage:
        (played,) = asyncio.run(
            play([recording], stage, url=chosen.broker, packages=chosen.allow_driver, limit_s=chosen.limit)
        )
    if chosen.json:
        print(_text(played.golden()), end="")  # noqa: T201
    else:
        for event in played.events:
            print(event_line(event))  # noqa: T201
    whole = played.end == END
    lang = language(chosen.lang)
    _tell(_TEXTS[lang]["whole" if whole else "not"].format(events=len(played.events), end=played.end))
    right = golden_is_right(played, lang, force=chosen.force) if chosen.golden else whole
    return 0 if right else FAILED


def golden_path(recording: Path) -> Path:
    """Return where the golden output of *recording* stands."""
    return recording.with_suffix(".golden.json")


def golden_is_right(played: Played, lang: Lang, *, force: bool = False) -> bool:
    """Compare with the golden output, or write it where there is none; return whether it is the same."""
    texts = _TEXTS[lang]
    path, now = golden_path(played.recording.path), _text(played.golden())
    if force or not path.exists():
        write_new(path, now.encode(), force=force)
        _tell(texts["golden"].format(path=path))
        return True
    before = path.read_text(encoding="utf-8")
    _tell(texts["same" if before == now else "differs"].format(path=path))
    diff = difflib.unified_diff(before.splitlines(), now.splitlines(), str(path), "now", lineterm="", n=1)
    for line in diff:
        _tell(line)
    return before == now


def _text(golden: dict[str, Any]) -> str:
    return json.dumps(golden, ensure_ascii=False, indent=1) + "\n"


def _tell(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201

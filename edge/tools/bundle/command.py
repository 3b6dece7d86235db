"""The verb itself: gathers, searches what was gathered for what must not leave, shows the list, asks, writes."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from edge import __version__
from edge.errors import EdgeError
from edge.messages.language import Lang, add_language_argument, language
from edge.tools.bundle.gather import Gathered, Wanted, gather
from edge.tools.bundle.pack import MANIFEST, manifest, packed
from edge.tools.bundle.system import UNITS
from edge.tools.files import DEFAULT_CONFIG, there_already, write_new
from edge.tools.scan import finds

EXIT_NOT_WRITTEN, EXIT_USAGE = 1, 2
_SCHEMA = "hall-edge.bundle/1"
_TEXTS: dict[Lang, dict[str, str]] = {
    "zh": {
        "gathering": "正在收集 {name}",
        "head": "诊断文件 {path} 将包含（已检查，不含个人信息和密钥）：",
        "unread": "未能读取，不包含：",
        "ask": "写入该文件？[y/N] ",
        "nobody": "没有终端可以确认：加 --yes 直接写入",
        "not": "没有写入",
        "written": "已写入，可以发给供应商",
    },
    "en": {
        "gathering": "gathering {name}",
        "head": "the diagnostics file {path} will hold (searched: no personal data, no keys):",
        "unread": "could not be read and is not in it:",
        "ask": "write this file? [y/N] ",
        "nobody": "there is no terminal to ask at: add --yes",
        "not": "nothing was written",
        "written": "written; it may be sent to a supplier",
    },
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hall-edge bundle``."""
    run_dir = os.environ.get("RUNTIME_DIRECTORY", "/run/hall-edge")
    parser.add_argument("-o", dest="file", type=Path, metavar="FILE", help="default: hall-edge-DATE-TIME.tar.gz")
    parser.add_argument("--yes", action="store_true", help="write without asking")
    parser.add_argument("--force", action="store_true", help="overwrite FILE")
    parser.add_argument("--since", metavar="TIME", help='journal from then on, as journalctl takes it: "1 hour ago"')
    parser.add_argument("--without", action="append", default=[], metavar="NAME", help="leave out a file of the list")
    parser.add_argument("--log", type=Path, metavar="FILE", help="take this log instead of the journal")
    parser.add_argument("--unit", default=UNITS[0], help="the service's unit (%(default)s)")
    parser.add_argument(
        "--config", "-c", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help="default: %(default)s"
    )
    parser.add_argument(
        "--run", dest="run_dir", default=run_dir, metavar="DIR", help="the daemon's run folder (%(default)s)"
    )
    add_language_argument(parser)


def run(chosen: argparse.Namespace) -> int:
    """Write a bundle; 0 when it is written, 1 when not, 2 when nobody can be asked."""
    texts = _TEXTS[language(chosen.lang)]
    path = chosen.file or Path(f"hall-edge-{time.strftime('%Y%m%d-%H%M%S')}.tar.gz")
    if path.exists() and not chosen.force:
        raise there_already(path)
    wanted = Wanted(Path(chosen.config), chosen.run_dir, chosen.unit, chosen.since, chosen.log)
    gathered = gather(wanted, tuple(chosen.without), lambda name: _tell(texts["gathering"].format(name=name)))
    about = {"schema": _SCHEMA, "version": __version__, "made": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
    files = {**gathered.files, MANIFEST: manifest(gathered.files, {**about, "unread": gathered.unread})}
    refuse_personal(files)
    _show(path, gathered, files, texts)
    if not chosen.yes:
        if not sys.stdin.isatty():
            _tell(texts["nobody"])
            return EXIT_USAGE
        if input(texts["ask"]).strip().lower() not in ("y", "yes", "是"):
            _tell(texts["not"])
            return EXIT_NOT_WRITTEN
    write_new(path, packed(files), force=chosen.force)
    _tell(texts["written"])
    print(path)  # noqa: T201
    return 0


def refuse_personal(files: dict[str, bytes]) -> None:
    """Raise for the first thing in *files* that must not leave the window; it is named, not repeated."""
    for name, data in files.items():
        for find in finds(data):
            raise EdgeError(
                f"{name}, line {find.line}, holds {find.what}; nothing was written",
                code="BUN-101", action=f"leave it out: --without {name}; and report it to the developers",
            )  # fmt: skip


def _show(path: Path, gathered: Gathered, files: dict[str, bytes], texts: dict[str, str]) -> None:
    print(texts["head"].format(path=path))  # noqa: T201
    for name in sorted(files):
        print(f"  {len(files[name]):9,}  {name}")  # noqa: T201
    if gathered.unread:
        print(texts["unread"])  # noqa: T201
    for name, why in gathered.unread.items():
        print(f"  {name:22}  {why}")  # noqa: T201


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201

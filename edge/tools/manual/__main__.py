"""Write the manual pages and the completion below a folder."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge.cli import whole_parser
from edge.tools.manual.completion import completions
from edge.tools.manual.config_page import config_page
from edge.tools.manual.texts import DEFAULTS
from edge.tools.manual.verb_page import pages, verbs_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Write every file whose text is not what is there."""
    parser = argparse.ArgumentParser(prog="python -m edge.tools.manual", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    folder: Path = parser.parse_args(arguments).folder
    for name, text in documents():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            sys.stdout.write(f"written: {file}\n")
    return 0


def documents() -> Iterator[tuple[str, str]]:
    """Yield the name below the folder and the text of every generated file."""
    for name, text in pages(_usual_parser()):
        yield f"man/{name}", text
    yield "man/hall-edge.toml.5", config_page()
    for name, text in completions(_usual_parser()):
        yield f"completion/{name}", text


def _usual_parser() -> argparse.ArgumentParser:
    """Return the program's parser with the usual defaults, not those of the PC where this runs."""
    parser = whole_parser()
    for command in verbs_of(parser).values():
        command.set_defaults(**DEFAULTS)
    return parser


if __name__ == "__main__":
    sys.exit(main())

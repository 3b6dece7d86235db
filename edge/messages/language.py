"""Which language a person gets: as asked for, else as the locale says, else Chinese."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from typing import Literal

Lang = Literal["zh", "en"]
_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")  # locale(7), in this order


def language(asked: Lang | None = None, environ: Mapping[str, str] = os.environ) -> Lang:
    """Return the language to use: *asked*, else that of the locale, else ``zh`` (also for ``C`` and others)."""
    if asked is not None:
        return asked
    locale = next((environ[name] for name in _VARIABLES if environ.get(name)), "")
    return "en" if locale.startswith("en") else "zh"


def add_language_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--lang``."""
    parser.add_argument("--lang", choices=("zh", "en"), help="language; default: that of the locale, else zh")

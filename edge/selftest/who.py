"""Who tests: for whoever wants to test at the same time."""

from __future__ import annotations

import getpass
import os
import re

_NAME = re.compile(r"[\w.@-]{1,32}", re.ASCII)


def myself() -> str:
    """Return the name of whoever sits before this program: also behind ``sudo``."""
    try:
        return shown(os.environ.get("SUDO_USER") or getpass.getuser())
    except (KeyError, OSError):  # a user number without a name
        return f"uid-{os.getuid()}"


def shown(name: str) -> str:
    """Return *name* if it is one of a user; else a question mark."""
    return name if _NAME.fullmatch(name) else "?"

"""Whether what a program says can be told in Chinese, word for word, and not only by the title of its code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from edge.errors import ConfigError, EdgeError
from edge.messages import catalogue
from edge.messages.pairs import told
from tests.support.project import ROOT

_OURS = (f"{ROOT}/edge/", f"{ROOT}/drivers/")
_MAKERS = ("edge/errors.py", "tests/support/chinese.py")


class Raised(NamedTuple):
    """An error as it was made. The error itself would hold on to all that was under way."""

    code: str
    message: str
    action: str


def untold(said: Raised) -> str | None:
    """Return what of *said* has no Chinese of its own; ``None``: nothing."""
    entry = catalogue(foreign=False).get(said.code)
    if entry is None:
        return f"{said.code} is in no catalogue"
    if said.message != entry.en.title and told(said.message, entry.seen) is None:
        return f"{said.code} is only told by its title: {said.message}"
    if said.action != entry.en.action and told(said.action, entry.do) is None:
        return f"{said.code} has another action in English: {said.action}"
    return None


@contextmanager
def witness(found: set[Raised]) -> Iterator[None]:
    """Add to *found* every error that our own code makes while the context lasts, but those of configurations."""
    make = EdgeError.__init__

    def seen(self: EdgeError, message: str, *, code: str | None = None, action: str | None = None) -> None:
        make(self, message, code=code, action=action)
        if not isinstance(self, ConfigError) and _made_by_us():
            found.add(Raised(self.code, self.message, self.action))

    EdgeError.__init__ = seen  # type: ignore[method-assign]
    try:
        yield
    finally:
        EdgeError.__init__ = make  # type: ignore[method-assign]


def _made_by_us() -> bool:
    """Return whether the code that makes the error is the program's: tests make errors, too."""
    frame = sys._getframe(1)  # noqa: SLF001  # nothing else tells who calls
    while frame.f_back is not None and frame.f_code.co_filename.endswith(_MAKERS):
        frame = frame.f_back
    return str(Path(frame.f_code.co_filename).resolve()).startswith(_OURS)

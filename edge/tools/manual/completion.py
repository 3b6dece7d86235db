"""Completion for bash and zsh, by shtab; the self-test's devices are those of the configuration."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from edge.tools.files import DEFAULT_CONFIG
from edge.tools.manual.verb_page import verbs_of

_NAMES = r"""awk -F'"' '/^\[/ { inside = /^\[\[device\]\]/ } inside && /^name *=/ { print $2 }'"""
_DEVICES = f"{_NAMES} {DEFAULT_CONFIG} 2>/dev/null"
"""Prints the names of the devices, to whoever may read the configuration."""
_PREAMBLE = {
    "bash": f'_hall_edge_devices() {{\n  compgen -W "$({_DEVICES})" -- "$1"\n}}\n',
    "zsh": f'_hall_edge_devices() {{\n  local -a devices=(${{(f)"$({_DEVICES})"}})\n  compadd -a devices\n}}\n',
}
_FILES = {"FILE", "DIR"}


def completions(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    """Yield the file name and the text for each shell."""
    import shtab  # type: ignore[import-untyped, unused-ignore]  # for developers only

    for command in (parser, *verbs_of(parser).values()):
        for action in command._actions:  # noqa: SLF001  # argparse has no other way to be asked
            _complete(action, shtab)
    for shell, name in (("bash", "hall-edge.bash"), ("zsh", "_hall-edge")):
        yield name, str(shtab.complete(parser, shell=shell, preamble=_PREAMBLE[shell]))


def _complete(action: Any, shtab: Any) -> None:
    """Say of *action* what completes it."""
    if action.metavar in _FILES and action.nargs != 0:
        action.complete = shtab.FILE if action.metavar == "FILE" else shtab.DIRECTORY
    elif action.metavar == "DEVICE" and action.dest == "devices":
        action.complete = {"bash": "_hall_edge_devices", "zsh": "_hall_edge_devices"}

"""``hall-edge init --site``: this PC's window of a district's site file, or a check of all of them."""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge.config.findings import Findings
from edge.errors import quoted
from edge.reload import FIXED
from edge.tools.init import outcome, site_check, site_pc, writing
from edge.tools.init.answers import wrong
from edge.tools.init.outcome import Outcome, Place, Wishes
from edge.tools.init.site import Site, all_lines, check_entry, read_site
from edge.tools.init.site_merge import Merged
from edge.tools.init.texts import TEXTS

_DIGEST = re.compile(r"# text sha256 ([0-9a-f]{64})")
_HEAD_LINES = 6
_FLAGS = ("hall", "broker", "subscriber", "lab", "device", "ca", "certificate", "key", "username", "password_file")
_RESTART = [(table, key) for table, keys in FIXED.items() for key in keys]
"""What the daemon cannot change while it runs."""


def run(chosen: argparse.Namespace, place: Place, wishes: Wishes) -> int:
    """Write the window's configuration, or say why not; see :mod:`edge.cli` for the exit codes."""
    for flag in _FLAGS:
        if getattr(chosen, flag):
            action = "leave it out, or change the site file"
            raise wrong("CFG-192", "not together with --site", action, f"--{flag.replace('_', '-')}")
    site = read_site(chosen.site)
    if chosen.check:
        return site_check.run(site)
    if chosen.list:
        sys.stdout.write("".join(f"{site.label(index)}\n" for index in range(len(site.entries))))
        return 0
    made = _made(chosen, site, place, wishes)
    if chosen.dry_run:
        sys.stdout.write(made.text)
        return 0
    return _write(chosen, made)


def _made(chosen: argparse.Namespace, site: Site, place: Place, wishes: Wishes) -> Outcome:
    pc = site_pc.this_pc(place.root)
    index = site_pc.entry_named(site, chosen.window) if chosen.window else site_pc.entry_of(site, pc)
    found = Findings(site.file, all_lines(site))
    entry = check_entry(site, index, found)
    found.finish()
    if entry is None:  # then there was something to find
        raise AssertionError(site.label(index))
    merged = Merged(site, index, entry)
    label = "/".join(merged.names.values())

    def head(body: str) -> Sequence[str]:
        lines = {
            "zh": f"{label}：由 hall-edge init --site 生成，请勿在此修改；请改 {Path(site.file).name} 后重新生成",
            "en": f"{label}: made by hall-edge init --site; do not change it here but in {Path(site.file).name}",
        }
        return [lines[wishes.language], f"site {Path(site.file).name} sha256 {site.digest}",
                f"text sha256 {_digest(body)}"]  # fmt: skip

    made = outcome.prepare(merged.document, place, wishes, head, merged.findings)
    texts = TEXTS[wishes.language]
    marks = site_pc.differences(site.entries[index], pc)
    if marks and not wishes.elsewhere:
        text = f"{label}: {', '.join(marks)} of its entry in line {site.line(index)} is not this PC's ({pc.shown()})"
        made.said.append(texts["warning"].format(text=text))
    return made


def _write(chosen: argparse.Namespace, made: Outcome) -> int:
    place, texts = made.place, TEXTS[made.wishes.language]
    there = outcome.is_there(place)
    old = _read(place.path) if there else None
    ours = old is not None and _is_untouched(old)
    if there and not ours and not chosen.force:
        raise _not_ours(place)
    made.seal()
    right = made.drop_in_is_right()
    if old == made.text and right:
        sys.stdout.write("\n".join([texts["unchanged"].format(path=place.path), *made.said]) + "\n")
        return 0
    outcome.can_write(place)
    made.write(instead=there, keep=not ours)
    lines = made.said + [texts["warning"].format(text=warning) for warning in made.config.warnings]
    sys.stdout.write("\n".join(lines + _next(made, old, texts, same_keys=right)) + "\n")
    return 0


def _next(made: Outcome, old: str | None, texts: Mapping[str, str], *, same_keys: bool) -> list[str]:
    """Return what to do now: nothing, reload, or restart."""
    if not made.place.is_standard:
        return [f"{texts['next']} hall-edge run --config {made.place.config}"]
    if old is None:
        steps = ["sudo systemctl daemon-reload"] * bool(made.handover.text())
        steps += ["sudo systemctl start hall-edge", "sudo hall-edge selftest"]
        return [texts["next"], *(f"  {step}" for step in steps)]
    if not same_keys:
        return [texts["restart"], "  sudo systemctl daemon-reload", "  sudo systemctl restart hall-edge"]
    before, now = _understood(old), _understood(made.text)
    if before == now:
        return [texts["header-only"]]
    if any(_at(before, path) != _at(now, path) for path in _RESTART):
        return [texts["restart"], "  sudo systemctl restart hall-edge"]
    return [texts["reload"], "  sudo hall-edge reload"]


def _at(document: Mapping[str, Any], path: Sequence[str]) -> object:
    value: object = document
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value or None  # an empty table says nothing


def _understood(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _is_untouched(text: str) -> bool:
    """Return whether *text* is as ``--site`` once wrote it."""
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines[:_HEAD_LINES], 1):
        if match := _DIGEST.fullmatch(line.rstrip("\n")):
            return match[1] == _digest("".join(lines[number:]))
    return False


def _not_ours(place: Place) -> Exception:
    error = writing.there_already(place.path)
    cause = f"{quoted(place.path.name)} was not made from a site file, or was changed since"
    return wrong("CFG-190", cause, error.problems[0].action, str(place.path))

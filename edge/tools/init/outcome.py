"""From a configuration as a document to files on the disk: checked by the daemon's own loader, then written."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.config import Config, build, read_toml
from edge.config.credentials import Lookup, granted
from edge.config.findings import Findings
from edge.errors import ConfigError, EdgeError, Problem
from edge.tools import toml_text
from edge.tools.files import DEFAULT_CONFIG
from edge.tools.init import handover, network, sharing, writing
from edge.tools.init.handover import Handover
from edge.tools.init.render import render
from edge.tools.init.texts import TEXTS

_MODE, _DROP_IN_MODE = 0o640, 0o644
_NOBODYS: Mapping[str, str] = {}
"""No environment: what systemd gives is looked up where systemd takes it from."""


@dataclass(frozen=True)
class Place:
    """Where the configuration goes."""

    config: str = DEFAULT_CONFIG
    root: str = ""
    """The folder of a system that does not run; empty: this one."""

    @property
    def path(self) -> Path:
        return Path(self.root + self.config)

    @property
    def is_standard(self) -> bool:
        """Whether it is what systemd starts the daemon with."""
        return self.config == DEFAULT_CONFIG

    @property
    def folder(self) -> str:
        return str(Path(self.config).parent)

    @property
    def drop_in(self) -> Path:
        return Path(self.root + handover.FILE)


@dataclass(frozen=True)
class Wishes:
    """How it is to be written."""

    language: str
    credentials: bool | None = None
    """Whether systemd hands over keys; ``None``: where systemd starts the daemon."""
    tpm: bool | None = None
    """Whether the private key is sealed to the TPM; ``None``: where there is one."""
    elsewhere: bool = False
    """Whether it is only looked at, on another PC than its own."""


@dataclass
class Outcome:
    """A configuration that is valid, ready to be written."""

    place: Place
    wishes: Wishes
    text: str
    config: Config
    handover: Handover
    said: list[str] = field(default_factory=list)
    """What there is to tell of it."""

    def write(self, *, instead: bool, keep: bool) -> None:
        """Write the drop-in and the configuration; *keep* the one that is replaced. Raises :class:`ConfigError`."""
        texts, path, group = TEXTS[self.wishes.language], self.place.path, writing.group_id(self.place.root)
        self.seal()
        self._write_drop_in(texts)
        if group is not None and self.place.is_standard:
            self._share(group)
        if instead and keep and path.exists():
            self.said.append(texts["kept"].format(path=writing.keep_old(path)))
        writing.put(path, self.text, mode=_MODE, group=group, instead=instead)
        self.said.insert(0, texts["written"].format(path=path))

    def _share(self, group: int) -> None:
        """Give the daemon's group the files that it reads; say what it still cannot read."""
        texts, document = TEXTS[self.wishes.language], tomllib.loads(self.text)
        for name in sharing.share(document, self.place.root, self.place.folder, group):
            self.said.append(texts["warning"].format(text=texts["unreadable"].format(path=name)))

    def find_broker(self) -> None:
        """Find out which addresses the unit must let through; those of before where that cannot be said now."""
        found = network.to_allow(self.config.mqtt.url)
        before = re.findall(r"^IPAddressAllow=(\S+)$", self._told() or "", re.MULTILINE)
        self.handover.addresses = before if found is None else found

    def drop_in_is_right(self) -> bool:
        """Return whether systemd is told already what it must hand over."""
        return not self.place.is_standard or self._told() == self.handover.text()

    def _told(self) -> str | None:
        """Return the drop-in that is there, if it is ours."""
        try:
            text = self.place.drop_in.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None
        return text if text.startswith(handover.MARK) else None

    def _write_drop_in(self, texts: Mapping[str, str]) -> None:
        path = self.place.drop_in
        if self.drop_in_is_right():
            return
        if text := self.handover.text():
            writing.put(path, text, mode=_DROP_IN_MODE, instead=True)
            if self.handover.grants:
                self.said.append(texts["granted"].format(path=path))
            if self.handover.addresses:
                self.said.append(texts["allowed"].format(addresses=", ".join(self.handover.addresses)))
        else:
            writing.remove(path)
            self.said.append(texts["withdrawn"].format(path=path))

    def seal(self) -> None:
        """Seal the private key where that is wished; where it was not asked for, it need not be possible."""
        wished, texts = self.wishes.tpm, TEXTS[self.wishes.language]
        if wished and handover.NAMES["key"] not in self.handover.grants:
            action = "give --key and --certificate, or leave out --tpm"
            raise ConfigError([Problem("CFG-199", "there is no private key to seal", action, file="--tpm")])
        if not self.handover.grants or wished is False or not (wished or handover.has_tpm()):
            return
        try:
            plain = handover.seal(self.handover, self.place.folder, self.place.root)
        except ConfigError as error:
            if wished:
                raise
            self.said.append(texts["warning"].format(text=str(error)))
            return
        if plain:
            key = self.handover.grants[handover.NAMES["key"]]
            self.said.append(texts["sealed"].format(path=key.path, plain=plain))


def prepare(
    document: Mapping[str, Any],
    place: Place,
    wishes: Wishes,
    head: Callable[[str], Sequence[str]],
    source: Findings | None = None,
) -> Outcome:
    """Return *document* as a configuration that the daemon takes; raises :class:`ConfigError` with all mistakes.

    *head* makes the remarks above the text; *source* knows the lines where the values of *document* stand.
    """
    given, wanted = dict(document), Handover()
    if source is not None and source.problems:
        build(given, source, _NOBODYS, Lookup(granted(place.root), place.root, elsewhere=wishes.elsewhere))
    if wishes.credentials or (wishes.credentials is None and place.is_standard):
        given, wanted = handover.hand_over(given, place.folder, place.root)
    lookup = Lookup({**granted(place.root), **wanted.grants}, place.root, elsewhere=wishes.elsewhere)
    if source is not None:
        build(given, source, _NOBODYS, lookup)
    body = render(given, wishes.language)
    text = "".join(f"# {toml_text.remark(line)}".rstrip() + "\n" for line in head(body)) + body
    read, found = read_toml(text, place.config)
    if _meant(read) != _meant(given):
        action = "send what --dry-run prints to the developers"
        raise EdgeError("what would be written is not what was meant", code="CFG-198", action=action)
    made = Outcome(place, wishes, text, build(read, found, _NOBODYS, lookup), wanted)
    if place.is_standard and not wishes.elsewhere:
        made.find_broker()
    return made


def can_write(place: Place) -> None:
    """Raise :class:`ConfigError` where nothing can be written."""
    writing.refuse_unwritable(place.path)


def is_there(place: Place) -> bool:
    """Return whether there is a configuration already."""
    return os.path.lexists(place.path)


def _meant(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what *document* says, without the tables that say nothing."""
    return {key: _plain(value) for key, value in document.items() if value}


def _plain(value: Any) -> Any:
    """Return *value* as TOML gives it back."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value

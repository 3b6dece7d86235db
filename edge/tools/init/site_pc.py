"""Which entry of a site file is this PC's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from edge.errors import ConfigError, Problem, quoted
from edge.tools.init.guesses import host_name
from edge.tools.init.site import Site

MARKS = ("hostname", "machine_id", "mac", "serial")
_NONE = {"", "none", "default string", "to be filled by o.e.m.", "system serial number", "not specified", "0"}
_NEAREST = 3


@dataclass(frozen=True)
class Pc:
    """The marks of a PC, as an entry may name them; in lower case."""

    hostname: str
    machine_id: str
    macs: frozenset[str]
    serial: str

    def fits(self, mark: str, wanted: str) -> bool:
        """Return whether this PC has the *mark* that is *wanted*."""
        wanted = wanted.strip().lower()
        if mark == "mac":
            return wanted.replace("-", ":") in self.macs
        own = str(getattr(self, mark))
        if mark == "hostname" and "." not in wanted:
            own = own.partition(".")[0]
        return bool(own) and own == wanted

    def shown(self) -> str:
        """Return the marks for a message."""
        macs = ", ".join(sorted(self.macs)[:4]) or "none"
        return f"hostname {quoted(self.hostname)}, machine_id {quoted(self.machine_id)}, mac {macs}"


def this_pc(root: str = "") -> Pc:
    """Return the marks of the PC whose files are below *root*."""
    serial = _said(root, "sys/class/dmi/id/product_serial")
    cards = Path(root or "/", "sys/class/net")
    macs: set[str] = set()
    with suppress(OSError):
        macs = {_text(card / "address") for card in cards.iterdir() if (card / "device").exists()}
    return Pc(
        host_name(root).lower(),
        _said(root, "etc/machine-id"),
        frozenset(macs - {"", "00:00:00:00:00:00"}),
        "" if serial in _NONE else serial,
    )


def entry_of(site: Site, pc: Pc) -> int:
    """Return the index of the one entry that names *pc*; raises :class:`ConfigError`."""
    fitting = [index for index, entry in enumerate(site.entries) if _names(entry, pc)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        where = ", ".join(f"{site.label(index)} in line {site.line(index)}" for index in fitting)
        cause = f"{len(fitting)} windows are this PC's ({pc.shown()}): {where}"
        action = "give each a mark that no other PC has (machine_id, mac), or name one: --window HALL/WINDOW"
        raise _error("CFG-195", cause, action, site, fitting[1])
    cause = f"no window is this PC's ({pc.shown()}); nearest: {_nearest(site, pc)}"
    raise _error("CFG-194", cause, "correct or add its entry, or name one: --window HALL/WINDOW", site)


def entry_named(site: Site, text: str) -> int:
    """Return the index of the entry ``HALL/WINDOW``; raises :class:`ConfigError`."""
    labels = [site.label(index) for index in range(len(site.entries))]
    wanted = text if "/" in text else f"{site.hall}/{text}"
    found = [index for index, label in enumerate(labels) if label == wanted]
    if len(found) == 1:
        return found[0]
    if found:
        where = ", ".join(f"line {site.line(index)}" for index in found)
        raise _error("CFG-195", f"{wanted} stands there {len(found)} times: {where}", "keep one", site, found[1])
    near = ", ".join(get_close_matches(wanted, labels, _NEAREST, 0.3)) or "none"
    cause = f"there is no window {quoted(wanted)}; nearest: {near}"
    raise _error("CFG-194", cause, "write HALL/WINDOW as it stands in the file", site)


def differences(entry: Mapping[str, Any], pc: Pc) -> list[str]:
    """Return which marks of *entry* are not those of *pc*."""
    return [mark for mark, wanted in _marks(entry) if not pc.fits(mark, wanted)]


def _names(entry: object, pc: Pc) -> bool:
    marks = list(_marks(entry))
    return bool(marks) and all(pc.fits(mark, wanted) for mark, wanted in marks)


def _marks(entry: object) -> Iterator[tuple[str, str]]:
    if isinstance(entry, dict):
        yield from ((mark, entry[mark]) for mark in MARKS if isinstance(entry.get(mark), str))


def _nearest(site: Site, pc: Pc) -> str:
    """Return the entries of which something fits this PC, else those with the nearest hostnames."""
    entries = dict(enumerate(site.entries))
    near = [index for index, entry in entries.items() if any(pc.fits(*mark) for mark in _marks(entry))]
    if not near:
        hosts = {
            dict(_marks(entry)).get("hostname", site.label(index)).lower(): index for index, entry in entries.items()
        }
        near = [hosts[name] for name in get_close_matches(pc.hostname, hosts, _NEAREST, 0.3)]
    return "; ".join(_described(site, index, pc) for index in near[:_NEAREST]) or "none"


def _described(site: Site, index: int, pc: Pc) -> str:
    entry = site.entries[index]
    marks = [f"{mark} {quoted(wanted, 40)}" for mark, wanted in _marks(entry) if not pc.fits(mark, wanted)]
    return f"{site.label(index)} in line {site.line(index)} ({', '.join(marks) or 'without a mark'})"


def _error(code: str, cause: str, action: str, site: Site, index: int | None = None) -> ConfigError:
    line = 1 if index is None else site.line(index)
    return ConfigError([Problem(code, cause, action, file=site.file, line=line)])


def _said(root: str, path: str) -> str:
    return _text(Path(root or "/", path))


def _text(path: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="ascii").strip().lower()
    return ""

"""Find drivers by name: the modules of the package ``drivers``, and foreign ones that the window allows.

A foreign package offers drivers as entry points of the group ``hall_edge.drivers``. Its code is imported only
when the package stands in ``allow_drivers``, and it never takes the name of a shipped driver.
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

from edge.driver import Driver, Settings
from edge.errors import ConfigError, Problem, nearest, quoted

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

PACKAGE = "drivers"
GROUP = "hall_edge.drivers"
_PYPI = {"cv2": "opencv-python-headless", "serial": "pyserial", "smartcard": "pyscard", "usb": "pyusb"}
_DEBIAN = {"cv2": "python3-opencv", "smartcard": "python3-pyscard"}


class Registry:
    """The drivers of this PC; *allowed* names foreign packages. No driver is imported before :meth:`load`."""

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self._allowed = {_normal(name) for name in allowed}

    def names(self) -> list[str]:
        """Return the names of all drivers that may be loaded."""
        points = self._foreign if self._allowed else ()
        return sorted(self._shipped | {point.name for point in points if _owner(point) in self._allowed})

    def load(self, name: str) -> type[Driver]:
        """Import the driver *name* and return its class; raises :class:`ConfigError`."""
        if name in self._shipped:
            return _load(name, lambda: import_module(f"{PACKAGE}.{name}"))
        offers = {_owner(point): point for point in self._foreign if point.name == name}
        allowed = sorted(self._allowed.intersection(offers))
        if len(allowed) == 1:
            return _load(name, offers[allowed[0]].load)
        if allowed:
            cause = f"driver {quoted(name)} comes from several packages: {', '.join(allowed)}"
            raise _error("CFG-121", cause, "leave only one of them in allow_drivers")
        if offers:
            cause = f"driver {quoted(name)} is installed, but its package is not allowed"
            raise _error("CFG-121", cause, f'add "{min(offers)}" to allow_drivers in [window] if you trust it')
        names = self.names()
        action = f"use one of: {', '.join(names) or 'none is installed'}"
        raise _error("CFG-120", f"unknown driver {quoted(name)}", action, nearest(name, names))

    @cached_property
    def _shipped(self) -> set[str]:
        spec = find_spec(PACKAGE)  # finds the package without importing it
        found = pkgutil.iter_modules(spec.submodule_search_locations) if spec else ()
        return {module.name for module in found if not module.name.startswith("_")}

    @cached_property
    def _foreign(self) -> list[EntryPoint]:
        from importlib.metadata import entry_points  # slow: reads the files of every installed package

        return [point for point in entry_points(group=GROUP) if point.name not in self._shipped]


def _normal(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def _owner(point: EntryPoint) -> str:
    """Return the name of the package that *point* belongs to."""
    return _normal(str(point.dist.name)) if point.dist else "?"


def _error(code: str, cause: str, action: str, near: str | None = None) -> ConfigError:
    return ConfigError([Problem(code, cause, action, near)])


def _load(name: str, importer: Callable[[], object]) -> type[Driver]:
    """Run *importer*, which returns a driver's class or its module; turn its failures into ours."""
    cause, found = "", None
    try:
        found = importer()
    except (Exception, SystemExit) as error:
        module = (getattr(error, "name", None) or PACKAGE).partition(".")[0]
        if isinstance(error, ModuleNotFoundError) and module not in (PACKAGE, "edge"):
            pypi, debian = _PYPI.get(module, module), _DEBIAN.get(module, f"python3-{module}")
            action = f"install it: pip install {pypi}, or apt install {debian}"
            raise _error("CFG-122", f"driver {quoted(name)} needs the missing package {module}", action) from error
        cause = f"cannot be imported: {type(error).__name__}: {quoted(str(error), 120)}"
    members = [found]
    if isinstance(found, ModuleType):
        members = [one for one in vars(found).values() if getattr(one, "__module__", None) == found.__name__]
    classes = [one for one in members if isinstance(one, type) and issubclass(one, Driver)]
    classes = [driver for driver in classes if not driver.__abstractmethods__]
    if not cause and len(classes) != 1:
        cause = f"defines {len(classes)} drivers instead of one"
    if not cause and not issubclass(getattr(classes[0], "settings_type", object), Settings):
        cause = "names no settings_type"
    if cause:
        raise _error("CFG-123", f"driver {quoted(name)} {cause}", "call the driver's author")
    return classes[0]

"""The one place where sealers and openers come from: ours, or those of a package that the configuration names.

A package offers a provider as an entry point of the group ``hall_edge.sealing``: an object with the three methods of
:class:`Provider`. It is loaded only when the configuration (or the caller) names its package, and it sees keys only as
the files' bytes: those may as well name a slot of a hardware module. Pictures are not its business: their parts are
A256GCM under a key that travels in the sealed body.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from edge.sealing.jwe import JweOpener, JweSealer, Opener, Sealer, SealError, current, kept_key, keys_in, public_jwk

GROUP = "hall_edge.sealing"
OURS = "jose"
_METHODS = ("problem", "sealer", "opener")


class Provider(Protocol):
    """What seals for the keys of the back office, and opens with them."""

    def problem(self, key: bytes) -> str | None:
        """Return what is wrong with a subscriber's key file, ``None`` when nothing is. Never the key itself."""

    def sealer(self, keys: Sequence[bytes]) -> Sealer:
        """Return what seals to all of *keys*, the contents of the subscribers' key files."""

    def opener(self, keys: Sequence[bytes]) -> Opener:
        """Return what opens with *keys*, the contents of private key files."""


class JoseProvider:
    """ECDH-ES+A256KW and A256GCM on P-256, by joserfc."""

    def problem(self, key: bytes) -> str | None:
        try:
            current(keys_in(key, "key"))
        except SealError as error:
            return error.message
        return None

    def sealer(self, keys: Sequence[bytes]) -> JweSealer:
        return JweSealer(current([one for data in keys for one in keys_in(data, "a subscriber's key")]))

    def opener(self, keys: Sequence[bytes]) -> JweOpener:
        found = [one for data in keys for one in keys_in(data, "a private key")]
        if not all(key.is_private for key in found):
            raise SealError("a public key opens nothing", code="SEC-115", action="name the file with the private key")
        return JweOpener(found)


def provider(name: str = OURS, package: str | None = None) -> Provider:
    """Return the provider *name* of *package* (ours without one); raises :class:`SealError`."""
    if package is None:
        if name == OURS:
            return JoseProvider()
        raise _not_loaded(f"the provider {name} is not ours, and no package is named")
    points = [
        point
        for point in entry_points(group=GROUP, name=name)
        if point.dist is not None and _normal(str(point.dist.name)) == _normal(package)
    ]
    if len(points) != 1:
        raise _not_loaded(f"the package {package} offers no provider {name}")
    try:
        found = points[0].load()
        found = found() if isinstance(found, type) else found
    except Exception as error:  # noqa: BLE001  # foreign code
        raise _not_loaded(f"the provider {name} cannot be loaded: {type(error).__name__}") from None
    if not all(callable(getattr(found, method, None)) for method in _METHODS):
        raise _not_loaded(f"the provider {name} lacks one of {', '.join(_METHODS)}")
    checked: Provider = found
    return checked


def event_sealer(name: str, package: str | None, files: Sequence[Path], lab_key: Path | None) -> Sealer:
    """Return what seals events to the keys in *files*, and in lab mode to one made on the spot in *lab_key*.

    Raises :class:`SealError`. A foreign provider makes no keys: in lab mode it needs a subscriber's, too.
    """
    keys = [path.read_bytes() for path in files]
    if lab_key is not None and package is None:
        keys.append(json.dumps(public_jwk(kept_key(lab_key))).encode())
    return provider(name, package).sealer(keys)


def _not_loaded(why: str) -> SealError:
    return SealError(why, code="SEC-117", action="install the package beside hall-edge, and check both names")


def _normal(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()

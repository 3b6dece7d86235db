"""A subscriber's private keys: as objects or files, several at a time while keys are changed."""

from __future__ import annotations

import logging
import stat
from collections.abc import Sequence
from pathlib import Path

from joserfc.jwk import ECKey

from edge.sealing.jwe import JweOpener, Opener, SealError, read_keys

log = logging.getLogger(__name__)


def opener_of(keys: Sequence[ECKey | Path]) -> Opener | None:
    """Return what opens with *keys* (each a private key, or the path of a JWK or JWK Set); ``None`` without any.

    Raises :class:`SealError`. A file that every user of the PC may read is used, and warned of.
    """
    found = [one for key in keys for one in (read_keys(key) if isinstance(key, Path) else [key])]
    for key in keys:
        if isinstance(key, Path) and key.stat().st_mode & stat.S_IRWXO:
            log.warning("SEC-114: %s is open to every user of this PC — chmod o= it", key)
    if not all(key.is_private for key in found):
        raise SealError("a public key opens nothing", code="SEC-115", action="give the file with the private key")
    return JweOpener(found) if found else None

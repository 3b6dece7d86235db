"""Decoders of msgspec, each made once and by one thread at a time.

What a type looks like is found out at its first use. msgspec 0.22 crashes with a segmentation fault when several
threads find that out of one type at the same moment, as lanes do whose processes start together.
"""

from __future__ import annotations

import threading
from typing import Any

import msgspec

_making = threading.Lock()
_msgpack: dict[Any, msgspec.msgpack.Decoder[Any]] = {}
_json: dict[Any, msgspec.json.Decoder[Any]] = {}


def msgpack_decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    """Return what decodes MessagePack to *kind*. Any thread."""
    if kind not in _msgpack:
        with _making:
            _msgpack[kind] = msgspec.msgpack.Decoder(kind)
    return _msgpack[kind]


def json_decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    """Return what decodes JSON to *kind*. Any thread."""
    if kind not in _json:
        with _making:
            _json[kind] = msgspec.json.Decoder(kind)
    return _json[kind]

"""A configuration as it may be shown to a stranger: every key, and the values that say nothing about secrets."""

from __future__ import annotations

import hashlib
import hmac
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from edge.tools import toml_text

Digest = Callable[[str], str]
_SECRET = re.compile(r"key|pin|pass|secret|token|user|login|credential|community|purpose", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.*:-]{0,31}")
_NODE = re.compile(r"((?:[a-z]+:)?(?://)?)(/dev/[\w./:-]+|/run/[\w./-]+)((?:\?.*)?)")
_PATH = re.compile(r"/[^\s?,\"']+")
_USERINFO = re.compile(r"//[^/@\s]*@")
_SERIAL = re.compile(r"(?<=serial=)[^&\"'\s]+")
_TEXTS = frozenset({"url", "address", "name", "driver"})


def masked_config(text: str, digest: Digest) -> str:
    """Return the TOML *text* with what is secret masked and serial numbers digested; raises ``ValueError``."""
    return "\n".join(_tables(tomllib.loads(text), digest)) + "\n"


def masked_text(text: str, digest: Digest) -> str:
    """Return an address or a URL without its login, the paths of files, and serial numbers."""
    text = _USERINFO.sub("//***@", text)
    text = _SERIAL.sub(lambda found: digest(found[0]), text)
    return text if _NODE.fullmatch(text) or ("://" in text and not _is_file(text)) else _PATH.sub("/***", text)


def keyed(key: str) -> Digest:
    """Return what digests serial numbers: the same for the same PC."""
    return lambda text: hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()[:12]


def _is_file(text: str) -> bool:
    """Return whether the address *text* is that of a file: it has nothing between ``//`` and a path."""
    return ":///" in text


def _tables(document: Mapping[str, Any], digest: Digest) -> Iterator[str]:
    for name, value in document.items():
        if isinstance(value, list) and all(isinstance(one, dict) for one in value):
            for one in value:
                yield from _table(f"[[{toml_text.key(name)}]]", one, digest)
        elif isinstance(value, dict):
            yield from _table(f"[{toml_text.key(name)}]", value, digest)
        else:
            yield f"{toml_text.key(name)} = {toml_text.value(_shown(name, value, digest))}"


def _table(head: str, table: Mapping[str, Any], digest: Digest) -> Iterator[str]:
    yield f"\n{head}"
    for name, value in table.items():
        yield f"{toml_text.key(name)} = {toml_text.value(_shown(name, value, digest))}"


def _shown(name: str, value: Any, digest: Digest) -> Any:
    """Return *value* as it may be shown under the key *name*."""
    if isinstance(value, dict):
        return {key: _shown(key, one, digest) for key, one in value.items()}
    if isinstance(value, list):
        return [_shown(name, one, digest) for one in value]
    if _SECRET.search(name):
        return "***"
    if not isinstance(value, str) or _WORD.fullmatch(value):
        return value
    return masked_text(value, digest) if name in _TEXTS else "***"

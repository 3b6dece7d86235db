"""Pack files: a tar.gz whose bytes depend on nothing but what is in it, with a manifest."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any

FOLDER = "hall-edge-bundle"
MANIFEST = "manifest.json"
_MODE = 0o600


def manifest(files: Mapping[str, bytes], about: Mapping[str, Any]) -> bytes:
    """Return what tells of each file its size and its SHA-256."""
    listed = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}
    return (json.dumps({**about, "files": listed}, ensure_ascii=False, indent=1) + "\n").encode()


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return *files* as a tar.gz."""
    out = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=out, mode="wb", mtime=0, filename="") as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in sorted(files):
            entry = tarfile.TarInfo(f"{FOLDER}/{name}")
            entry.size, entry.mode, entry.mtime = len(files[name]), _MODE, 0
            tar.addfile(entry, io.BytesIO(files[name]))
    return out.getvalue()

"""The client certificate must be this window's: a configuration, or a disk, that moved to another PC is noticed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeGuard

from edge.config.findings import Findings
from edge.config.rules import FILES, RESERVED_HALLS, NamedFiles
from edge.delivery.certificates import names_window, parse_certificate, window_names
from edge.errors import quoted
from edge.toml_lines import Path

_WHERE: Path = ("mqtt", "certificate")


def check_identity(window: Mapping[str, Any], mqtt: Mapping[str, Any], files: NamedFiles, found: Findings) -> None:
    """Report a certificate that names neither this window nor what ``certificate_name`` says."""
    path, own = mqtt.get("certificate"), mqtt.get("certificate_name")
    hall, name = window.get("hall"), window.get("window")
    if not (isinstance(path, str) and _is_name(hall) and hall not in RESERVED_HALLS and _is_name(name)):
        return  # said already
    data = files.content(path)
    if data is None or FILES["certificate"] not in data:
        return  # said already
    try:
        names = parse_certificate(data).names
    except ValueError:
        found.add(_WHERE, "CFG-152", "certificate: the file holds no certificate in PEM form", "name the right file")
        return
    if own in names if isinstance(own, str) else names_window(names, hall, name):
        return
    wanted = quoted(own) if isinstance(own, str) else " or ".join(map(quoted, window_names(hall, name)))
    shown = ", ".join(quoted(one) for one in names[:4]) or "nobody"
    action = "use this window's own certificate and the right hall and window; for other names set certificate_name"
    found.add(_WHERE, "CFG-160", f"certificate: it names {shown}, not {wanted}", action)


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and re.fullmatch("[a-z0-9-]{1,32}", value) is not None

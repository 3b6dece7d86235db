"""The case that is open at the window: events without a case of their own belong to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from edge.errors import EdgeError


class OpenCase:
    """Set by the window's commands ``case-open`` and ``case-close``."""

    def __init__(self) -> None:
        self.current: str | None = None

    def open(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Open ``params["case"]``; raises ``EdgeError``."""
        case = params.get("case")
        if not isinstance(case, str) or not re.fullmatch("[A-Za-z0-9-]{1,64}", case):
            raise EdgeError("case-open needs a case of 1 to 64 letters, digits and hyphens", code="CMD-101")
        self.current = case
        return {}

    def close(self, _params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Close whatever is open."""
        self.current = None
        return {}

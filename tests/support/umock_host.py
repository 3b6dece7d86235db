"""The PC of a plug board: a umockdev test bed that does as it is told, one JSON object a line.

Run by Debian's Python (``gi`` is no PyPI package) under ``umockdev-wrapper``. Programs see its devices when they are
started with ``LD_PRELOAD=libumockdev-preload.so.0`` and ``UMOCKDEV_DIR`` as it says.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import gi  # type: ignore[import-not-found]

gi.require_version("UMockdev", "1.0")
from gi.repository import UMockdev  # type: ignore[import-not-found]  # noqa: E402


def serve(testbed: Any) -> None:
    """Carry out orders until the end of input: add ``records``, or ``remove`` paths of sysfs, and ``tell`` of them."""
    print(json.dumps({"root": testbed.get_root_dir()}), flush=True)  # noqa: T201
    for line in sys.stdin:
        order = json.loads(line)
        if "records" in order:
            testbed.add_from_string(order["records"])
            for path in order["tell"]:
                testbed.uevent(path, "add")
        for path in order.get("remove", ()):
            if path in order["tell"]:
                testbed.uevent(path, "remove")
            testbed.remove_device(path)
        print(json.dumps({"done": True}), flush=True)  # noqa: T201


if __name__ == "__main__":
    serve(UMockdev.Testbed.new())

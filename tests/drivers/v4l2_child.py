"""``python -m tests.drivers.v4l2_child ADDRESS SETTINGS``: the camera driver, asked by lines of JSON on stdin."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from drivers import _camera_v4l2 as v4l2
from drivers._camera_settings import ADDRESSES, CameraSettings
from drivers.camera_uvc import DocumentCamera
from edge.errors import EdgeError
from edge.events import Capture, revealed
from edge.jobs import DeviceJob
from edge.links.address import parse_address
from edge.port import DevicePort


class Child:
    """What can be asked."""

    def __init__(self, address: str, settings: dict[str, object]) -> None:
        self.port = DevicePort("camera-1", parse_address(address, ADDRESSES), b"")
        self.driver = DocumentCamera(msgspec.convert(settings, CameraSettings), self.port)

    def open(self) -> dict[str, Any]:
        info: dict[str, Any] = msgspec.to_builtins(self.driver.open())
        return info

    def poll(self, seconds: float) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.driver.poll(0.5)
        return {"proved": self.port.last_proof is not None}

    def capture(self, **wanted: object) -> dict[str, Any]:
        command = msgspec.convert({"codes": False, **wanted}, Capture)
        job = DeviceJob("00000000-0000-4000-8000-000000000001", command, time.monotonic() + 10)
        (event,) = self.driver.execute(command, job)
        blob = getattr(event, "blob", None)
        size = len(self.port.take_blob(blob.id)) if blob else 0
        return {"type": event.type, "size": size, **revealed(event)}

    def close(self) -> dict[str, Any]:
        self.driver.close()
        return {}

    def look(self, node: str) -> dict[str, Any]:
        facts = v4l2.look(node)
        return {"model": facts.model, "captures": facts.captures, "sizes": facts.sizes}


def answer(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what *work* returns, or its error, and how long it took."""
    began = time.monotonic()
    try:
        found = work()
    except EdgeError as error:
        found = {"error": type(error).__name__, "code": error.code, "message": error.message, "action": error.action}
    return {"took_s": time.monotonic() - began, **found}


def main() -> None:
    """Answer until the end of the input."""
    child = Child(sys.argv[1], json.loads(sys.argv[2]))
    for line in sys.stdin:
        arguments = json.loads(line)
        method = getattr(child, arguments.pop("method"))
        sys.stdout.write(json.dumps(answer(partial(method, **arguments))) + "\n")
        sys.stdout.flush()
    child.driver.close()


if __name__ == "__main__":
    main()

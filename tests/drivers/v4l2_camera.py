"""The camera behind ``v4l2_shim.c``, and the driver in a process with the shim preloaded."""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from drivers._camera_settings import ENVIRONMENT
from simulators.camera_film import Film, Look, develop
from simulators.desk_pictures import Desk
from tests.support.chinese import Raised, untold
from tests.support.project import ROOT

NODE, METADATA = "video-index0", "video-index1"
FPS = 20.0
_MICRO = 1_000_000


class V4l2Camera:
    """Sends pictures to whoever streams; *folder* is the shim's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stalled = self.frozen = False
        self.late_s = 0.0
        """So old are pictures when they are sent; their time says so."""
        self._films: dict[tuple[int, int], Film] = {}
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(folder / "pictures"))
        self._listening.listen()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.plug()
        self._start(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._listening.close()

    def plug(self) -> None:
        """Let the nodes appear."""
        for name in (NODE, METADATA):
            self.folder.joinpath(name).touch()

    def unplug(self) -> None:
        """Let the nodes disappear, and every stream break off."""
        for name in (NODE, METADATA):
            self.folder.joinpath(name).unlink()

    def mode(self, words: str) -> None:
        """Let the kernel refuse: busy, nospace, yuyv, denied."""
        self.folder.joinpath("mode").write_text(words)

    def log(self) -> list[str]:
        """Return what was set, in order."""
        return self.folder.joinpath("log").read_text().splitlines()

    def _start(self, work: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, name="v4l2-camera")
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stop.is_set():
            if select.select([self._listening], [], [], 0.02)[0]:
                self._start(self._serve, self._listening.accept()[0])

    def _serve(self, line: socket.socket) -> None:
        size, number, due = (0, 0), 0, time.monotonic()
        with line:
            while not self._stop.is_set() and (self.folder / NODE).exists():
                if select.select([line], [], [], 0.0 if size[0] else 0.02)[0]:
                    words = _received(line)
                    if len(words) < 8:
                        return
                    size, due = struct.unpack("2I", words), time.monotonic()
                if not size[0] or self.stalled:
                    time.sleep(0.005)
                    continue
                time.sleep(max(0.0, due - time.monotonic()))
                due += 1 / FPS
                number += not self.frozen
                if not self._send(line, size, number):
                    return

    def _send(self, line: socket.socket, size: tuple[int, ...], number: int) -> bool:
        pictures = self._film(size).pictures
        data = pictures[number % len(pictures)]
        stamp = int((time.monotonic() - self.late_s) * _MICRO)
        try:
            line.sendall(struct.pack("=IQ", len(data), stamp) + data)
        except OSError:
            return False
        return True

    def _film(self, size: tuple[int, ...]) -> Film:
        if size not in self._films:
            self._films[size[0], size[1]] = develop(Look(Desk(turn=4), size[0], size[1]))
        return self._films[size[0], size[1]]


def _received(line: socket.socket) -> bytes:
    """Return two words; fewer when the other end is gone."""
    try:
        return line.recv(8)
    except OSError:
        return b""


class DriverChild:
    """The driver ``camera_uvc`` in a process of its own; every call returns its answer or its error."""

    def __init__(self, folder: Path, shim: Path, address: str, settings: dict[str, object]) -> None:
        environment = {**os.environ, **ENVIRONMENT, "LD_PRELOAD": str(shim), "CAMERA_SHIM": str(folder)}
        command = [sys.executable, "-m", "tests.drivers.v4l2_child", address, json.dumps(settings)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process:
            self._pipe(self._process.stdin).close()

    def ask(self, method: str, **arguments: object) -> dict[str, Any]:
        """Call a method and return what it answers; an error in it has to have its Chinese."""
        stdin, stdout = self._pipe(self._process.stdin), self._pipe(self._process.stdout)
        stdin.write(json.dumps({"method": method, **arguments}) + "\n")
        stdin.flush()
        answer: dict[str, Any] = json.loads(stdout.readline())
        if "error" in answer:
            assert untold(Raised(answer["code"], answer["message"], answer["action"])) is None
        return answer

    @property
    def pid(self) -> int:
        return self._process.pid

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe

"""A process that is told what to do in lines of JSON, and answers each with one: both ends."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.bench.failure import BenchFailure

Doing = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Child:
    """The parent's end; a context manager."""

    def __init__(self, module: str, about: dict[str, Any], log: Path) -> None:
        with log.open("ab") as to:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=to, text=True
            )
        self._log = log
        self.tell("begin", **about)

    def tell(self, what: str, **more: Any) -> None:
        """Give an order, without waiting for its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **more}) + "\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Wait for the answer to the last order."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchFailure(f"a program of the fleet ended:\n{self._log.read_text(encoding='utf-8')[-2000:]}")
        found: dict[str, Any] = json.loads(line)
        return found

    def ask(self, what: str, **more: Any) -> dict[str, Any]:
        self.tell(what, **more)
        return self.answer()

    def __enter__(self) -> Self:
        self.answer()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


async def serve(doing: Doing) -> None:
    """The child's end: do what is asked until the parent closes the line. Each answer tells the time used."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        said = await doing(json.loads(line))
        times = os.times()
        said |= {"cpu_s": times.user + times.system, "at": time.monotonic()}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()

"""Run ``hall-edge`` with an account of its threads: ``python -m tests.bench.profiled DIR [--functions] run …``.

At its end ``DIR/threads.json`` says what each thread cost (CPU, context switches) and, with ``--functions``,
``DIR/{thread}.prof`` where in the code (cProfile, which makes small functions look dearer than they are).
"""

from __future__ import annotations

import cProfile
import json
import os
import resource
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

from edge.cli import main

_END_S = 2.0


class Account:
    """Keeps what each thread has used, from its first line to its last."""

    def __init__(self, folder: Path, *, functions: bool) -> None:
        self._folder, self._functions = folder, functions
        self._threads: dict[str, dict[str, float]] = {}
        self._run, self._exit = threading.Thread.run, os._exit

    def begin(self) -> None:
        """Take part in every thread that starts from now on, and in the end of the process."""

        def run(thread: threading.Thread, /) -> None:
            profile = cProfile.Profile() if self._functions else None
            try:
                if profile:
                    profile.runcall(self._run, thread)
                else:
                    self._run(thread)
            finally:
                self._note(thread.name)
                if profile:
                    profile.dump_stats(self._folder / f"{thread.name}.prof")

        threading.Thread.run = run  # type: ignore[method-assign,assignment]
        os._exit = self._end  # type: ignore[assignment]

    def _note(self, name: str) -> None:
        used = resource.getrusage(resource.RUSAGE_THREAD)
        self._threads[name] = {
            "user_s": used.ru_utime,
            "system_s": used.ru_stime,
            "waits": used.ru_nvcsw,
            "displaced": used.ru_nivcsw,
        }

    def _end(self, code: int) -> NoReturn:
        deadline = time.monotonic() + _END_S
        for thread in threading.enumerate():
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        self._note("main")
        (self._folder / "threads.json").write_text(json.dumps(self._threads), encoding="utf-8")
        self._exit(code)


if __name__ == "__main__":
    folder, *arguments = sys.argv[1:]
    functions = arguments[0] == "--functions"
    Account(Path(folder), functions=functions).begin()
    sys.exit(main(arguments[1:] if functions else arguments))

"""A store of an older format that is opened, on the preloaded disk.

As a program: ``python -m tests.faults.disk.migrating FOLDER`` opens the store in ``FOLDER/state``, accepts an event and
leaves ``FOLDER/log``; ``... FOLDER FORMAT KILLS`` opens copies of a format's store and is killed (-9) before the first
call to the disk, before the second … and round again, and prints a report as JSON.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from tests.faults.disk import rig
from tests.faults.disk.forks import WELL, Fork, Pipe, prepare
from tests.faults.disk.image import Image, taken
from tests.faults.disk.rig import Store
from tests.faults.disk.shim import Calls, Deed, Shim
from tests.faults.disk.truth import Truth, mark_accepted, problems, rendered_to

GOLDEN = Path(__file__).with_name("golden")
FORMATS = (1, 2)
REQUESTS = [("golden-done", b'{"code":"ok"}'), ("golden-open", None)]
BROKERED = 13


def golden(format_: int) -> tuple[Image, Truth]:
    """Return the folder of a store that an older version wrote and did not close, and what it had promised."""
    image, truth = taken(GOLDEN / f"format-{format_}"), Truth()
    for line in (image.pop("marks.jsonl") or b"").splitlines():
        truth.hear(json.loads(line))
    return image, truth


def kept(store: Store) -> list[str]:
    """Return what is missing of that which is no event: answers to requests, and how far the broker has it."""
    known = "SELECT id, completion FROM request ORDER BY id"
    requests = store.outbox.call(lambda db: db.execute(known).fetchall()).result()
    wrong = [] if requests == REQUESTS else [f"{len(requests)} requests are known"]
    return wrong if store.outbox.brokered == BROKERED else [*wrong, f"brokered is {store.outbox.brokered}"]


def migrate(folder: Path) -> None:
    """Open the store, go on with it, and leave the log."""
    shim = Shim()
    shim.watch(folder / "state", folder / "log")
    store = Store(folder / "state", rendered_to(shim))
    shim.mark("opened", epoch=store.outbox.epoch)
    mark_accepted(shim, store.accept(rig.ticket(1)))
    store.close()
    shim.ignore()


def kill(folder: Path, format_: int, kills: int) -> dict[str, Any]:
    """Kill an opening at each of its calls, *kills* times in all; return what came of it."""
    done, wrong, shim = 0, [], Shim()
    rig.warm_up()
    prepare()
    while done < kills:
        for nth in count(1):
            state = folder / "state"
            shutil.copytree(GOLDEN / f"format-{format_}", state)
            shim.watch(state, Path("/dev/null"))

            def opening(_pipe: Pipe, state: Path = state, nth: int = nth) -> None:
                shim.arm(Calls.ALL, nth, Deed.KILL)
                Store(state).close()

            status = Fork(opening).end()[0]
            shim.ignore()
            wrong += [f"call {nth}: {what}" for what in problems(state, golden(format_)[1], more=kept)]
            shutil.rmtree(state)
            if status == WELL or done == kills:
                break
            done += 1
    return {"kills": done, "wrong": wrong[:20]}


def main(arguments: Sequence[str]) -> None:
    folder = Path(arguments[0])
    if len(arguments) == 1:
        migrate(folder)
    else:
        print(json.dumps(kill(folder, int(arguments[1]), int(arguments[2]))))  # noqa: T201  # its report


if __name__ == "__main__":
    main(sys.argv[1:])

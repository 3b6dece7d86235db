"""Where personal data could stand: what the broker carries and keeps, files, and what the system shows of processes."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

Place = tuple[str, bytes]
PROC = Path("/proc")
_CORE = re.compile(r"core(\.\d+)?")
_OURS = (b"\0-m\0edge", b"hall-edge\0")


def of_broker(messages: Sequence[tuple[str, bytes, bool]], folder: Path) -> Iterator[Place]:
    """Yield all that was heard on the broker, and what it keeps: its store and its log."""
    yield "a topic", b"\n".join(topic.encode() for topic, _, _ in messages)
    yield "broker traffic", b"\n".join(payload for _, payload, retained in messages if not retained)
    yield "a retained message", b"\n".join(payload for _, payload, retained in messages if retained)
    for path, data in of_folder(folder):
        yield f"the broker's {path}", data


def of_folder(folder: Path, but: Collection[str] = ()) -> Iterator[Place]:
    """Yield every file below *folder* by its name, with its bytes, outside of folders called one of *but*."""
    for at, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in but]
        for name in names:
            path = Path(at, name)
            with suppress(OSError):  # gone by now, or a socket
                if path.is_file():
                    yield str(path.relative_to(folder)), path.read_bytes()


def of_processes(pid: int) -> Iterator[Place]:
    """Yield what the system shows of a process and all below it: its command line, its environment, unlinked files.

    What nobody but the process itself may see is left out, and so are memory files: they are memory.
    """
    for process in family(pid):
        where = PROC / str(process)
        for name in ("cmdline", "environ"):
            with suppress(OSError):
                yield f"the {name} of {process}", (where / name).read_bytes()
        with suppress(OSError):
            for handle in (where / "fd").iterdir():
                with suppress(OSError):
                    target = str(handle.readlink())
                    if target.endswith(" (deleted)") and not target.startswith(("/memfd:", "/dev/shm/")):  # noqa: S108
                        yield f"an unlinked file of {process}", handle.read_bytes()


def family(pid: int) -> Iterator[int]:
    """Yield a process and all below it."""
    yield pid
    for children in _read_each(PROC / str(pid) / "task", "children"):
        for child in children.split():
            yield from family(int(child))


def that_dump(pid: int) -> list[str]:
    """Return what processes of hall-edge below *pid* a crash would write, to a file or to a crash handler."""
    found = []
    for process in family(pid):
        where = PROC / str(process)
        with suppress(OSError):
            if not any(mark in (where / "cmdline").read_bytes() for mark in _OURS):
                continue  # what starts ours in a test
            limits = (where / "limits").read_text(encoding="ascii")
            if not re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE):
                found.append(f"{process} may write a core file")
            if int((where / "coredump_filter").read_text(encoding="ascii"), 16):
                found.append(f"{process} would give its memory to a crash handler")
    return found


def dumped(folder: Path) -> list[str]:
    """Return core files in *folder*, in its temporary folder, and where the tests run."""
    looked_in: Iterable[Path] = (folder, folder / "tmp", folder / "state", Path.cwd())
    each = [path for one in looked_in if one.is_dir() for path in one.iterdir()]
    return [str(path) for path in each if path.is_file() and _CORE.fullmatch(path.name)]


def _read_each(folder: Path, name: str) -> Iterator[str]:
    with suppress(OSError):
        for path in folder.iterdir():
            with suppress(OSError):
                yield (path / name).read_text(encoding="ascii")

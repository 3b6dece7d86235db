"""The disk under the state folder: is there room, may it be written, are there inodes left?"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

from edge.reload import in_thread
from edge.selftest.model import Check, Result
from edge.selftest.scene import Scene

_MEGABYTE = 1_000_000
_FULL_PERCENT = 80
_FEW_INODES = 1000


async def look_at_disk(scene: Scene) -> AsyncIterator[Check]:
    """Ask the file system; a disk that hangs keeps nobody else."""
    try:
        disk = await in_thread("selftest-disk", lambda: os.statvfs(scene.state))
    except OSError as error:
        seen = f"the state folder's disk does not answer ({error.strerror})"
        yield Check(part="disk", name="disk", code="DSK-106", result="fail", seen=seen)
        return
    size, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
    percent = round(100 * (1 - free / size)) if size else 0
    figures: dict[str, str | int | float | bool] = {
        "free_mb": free // _MEGABYTE, "used_percent": percent, "reserve_mb": scene.config.outbox.reserve_mb,
        "read_only": bool(disk.f_flag & os.ST_RDONLY),
    }  # fmt: skip
    if disk.f_files:
        figures["free_inodes"] = disk.f_favail
    code, result, seen = _judged(disk, free, percent, scene.config.outbox.reserve_mb * _MEGABYTE)
    yield Check(part="disk", name="disk", code=code, result=result, seen=seen, details=figures)


def _judged(disk: os.statvfs_result, free: int, percent: int, reserve: int) -> tuple[str, Result, str]:
    """Return code, result and sentence."""
    if disk.f_flag & os.ST_RDONLY:
        return "DSK-103", "fail", "the disk is mounted read-only"
    if free < reserve:
        return "DSK-102", "fail", f"{free // _MEGABYTE} MB free, and {reserve // _MEGABYTE} MB must stay free"
    if disk.f_files and disk.f_favail == 0:
        return "DSK-104", "fail", "no further file can be made: no inodes left"
    if disk.f_files and disk.f_favail < _FEW_INODES:
        return "DSK-105", "warn", f"only {disk.f_favail} more files can be made"
    if percent > _FULL_PERCENT:
        return "DSK-101", "warn", f"{percent} % full, {free // _MEGABYTE} MB free"
    return "DSK-000", "ok", f"{free // _MEGABYTE} MB free, {percent} % full"

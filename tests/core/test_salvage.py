"""A damaged store: whatever byte is wrong, nothing wrong is handed out, and the rest is under its old seq and epoch."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from edge.store import salvage
from edge.store.outbox import Buried, Outbox, Row
from edge.store.salvage import open_store
from tests.core.store_rig import SENSITIVE, Desk, opened, render
from tests.support.tiers import evidence, tiers

CONFIRMED, PARKED, LAST = 5, 12, 30
FILES = ("outbox.db", "keys.bin", "epoch")


class Sample:
    """A small store with everything in it, and what may be handed out of it."""

    def __init__(self, folder: Path) -> None:
        texts = [f"{SENSITIVE if number % 3 == 0 else 'p'}{number} " * (3 + number) for number in range(LAST)]
        texts[7] = "long " * 2500  # over several pages
        with opened(folder / "outbox.db", "office") as desk:
            for text in texts:
                desk.commit(text)
            desk.outbox.confirm("office", CONFIRMED, []).result()
            desk.outbox.refuse(PARKED, 0x87).result()
            self.epoch = desk.outbox.epoch
            self.rows = {row.seq: row for row in desk.accepted}
        self.files = {name: (folder / name).read_bytes() for name in FILES}

    @property
    def size(self) -> int:
        return len(self.files["outbox.db"])

    def write(self, folder: Path, **changed: bytes) -> Path:
        """Write it into *folder*, with other content of some files; return the store's path."""
        for file in folder.iterdir():
            file.unlink()
        for name, data in self.files.items():
            (folder / name).write_bytes(changed.get(name.partition(".")[0], data))
        return folder / "outbox.db"

    def check(self, path: Path) -> int:
        """Open it and compare it with the truth; return how many events are lost, all of them by name."""
        known = _known(path)
        rows = {seq: one for seq, one in known.items() if isinstance(one, Row)}
        for seq, row in rows.items():
            true = self.rows[seq]
            assert (row.id, row.topic, row.public, row.sealed) == (true.id, true.topic, true.public, true.sealed)
        lost = set(range(CONFIRMED + 1, LAST + 1)) - rows.keys()
        assert lost == {seq for seq, one in known.items() if isinstance(one, Buried)}
        assert not rows.keys() & set(range(CONFIRMED + 1))  # nothing comes back
        return len(lost)


def _known(path: Path) -> dict[int, Row | Buried]:
    """Return what the store knows, and show that it goes on. What is found at work ends it once."""
    for last_try in (False, True):
        outbox = Outbox(path, render, lambda _rows: None, ["office"])
        outbox.open()
        try:
            known = outbox.known(0, 1000).result()
            outbox.after(CONFIRMED, 1000).result()
            assert outbox.commit(["new"])[0].seq == LAST + 1
        except Exception:
            if last_try:
                raise
        else:
            return known
        finally:
            outbox.close()
    raise AssertionError


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return Sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    logging.disable(logging.CRITICAL)  # every damage is told
    yield tmp_path
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("trials", tiers(short=100, long=200_000))
def test_any_byte_may_be_wrong(sample: Sample, folder: Path, trials: int) -> None:
    """At most the row that the byte belongs to is lost, and it is named; neither seq nor epoch begins anew."""
    places = random.Random(1)
    lost: Counter[int] = Counter()
    every = range(sample.size) if trials >= 2 * sample.size else places.sample(range(sample.size), trials)
    for place in every:
        for change in (0xFF, 1 << place % 8) if trials >= 2 * sample.size else (1 << place % 8,):
            data = bytearray(sample.files["outbox.db"])
            data[place] ^= change
            lost[sample.check(sample.write(folder, outbox=bytes(data)))] += 1
    assert set(lost) == {0, 1}
    evidence("store-flips", trials=lost.total(), failures=0, rows_lost_and_named=lost[1])


@pytest.mark.slow
def test_any_page_may_be_gone(sample: Sample, folder: Path) -> None:
    filled = random.Random(2).randbytes(4096)
    for place in range(0, sample.size, 4096):
        page = filled if place % 8192 else bytes(4096)
        data = sample.files["outbox.db"]
        sample.check(sample.write(folder, outbox=data[:place] + page + data[place + 4096 :]))


@pytest.mark.slow
def test_it_may_end_anywhere(sample: Sample, folder: Path) -> None:
    for size in range(8 * 4096, sample.size, 3500):  # before that nothing has a check value
        sample.check(sample.write(folder, outbox=sample.files["outbox.db"][:size]))


@pytest.mark.slow
@pytest.mark.parametrize("trials", [15])
def test_any_byte_of_the_wal_may_be_wrong(tmp_path: Path, folder: Path, trials: int) -> None:
    """Else everything accepted behind that byte would be gone, and its seq given out again."""
    live = tmp_path / "live"
    live.mkdir()
    with opened(live / "outbox.db", "office") as desk:
        for number in range(LAST):
            desk.commit(f"{SENSITIVE if number % 3 == 0 else 'p'}{number} " * (3 + number))
        true = {row.seq: (row.id, row.public, row.sealed) for row in desk.accepted}
        files = {file.name: file.read_bytes() for file in live.iterdir()}
    wal = files["outbox.db-wal"]
    cut = folder / "cut"
    cut.mkdir()
    lost = []
    synced = len(wal) - 5 * 4120  # what belongs to the last transaction looks like a power cut
    for place in [*range(0, 32, 3), *random.Random(4).sample(range(synced), trials)]:
        data = bytearray(wal)
        data[place] ^= 0x10
        for name, content in (files | {"outbox.db-wal": bytes(data)}).items():
            (cut / name).write_bytes(content)
        known = _known(cut / "outbox.db")
        rows = {seq: (one.id, one.public, one.sealed) for seq, one in known.items() if isinstance(one, Row)}
        assert rows.items() <= true.items()
        assert known.keys() == true.keys()
        lost.append(len(true) - len(rows))
    assert max(lost) <= 1


def test_where_nothing_can_be_read_a_new_epoch_begins(sample: Sample, folder: Path) -> None:
    path = sample.write(folder, outbox=random.Random(3).randbytes(sample.size))
    with opened(path, "office") as desk:
        assert desk.outbox.epoch > sample.epoch
        assert desk.seqs() == []
        assert desk.commit("a") == [1]
    assert len([*folder.glob("outbox.db.damaged-*")]) == 1


def test_the_epoch_is_known_from_beside_the_store_too(sample: Sample, folder: Path) -> None:
    data = sample.files["outbox.db"].replace(b"epoch", b"epocH")
    assert sample.check(sample.write(folder, outbox=data)) == 0
    with opened(folder / "outbox.db", "office") as desk:
        assert desk.outbox.epoch == sample.epoch


class _Cut(BaseException):
    """The process is killed here."""


@pytest.mark.parametrize("step", range(12))
def test_a_kill_at_any_step_of_the_rescue_changes_nothing(
    sample: Sample, folder: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Every change of the folder's names is a step: each time the next start finds what it needs."""
    data = bytearray(sample.files["outbox.db"])
    data[18] = 0x55  # its header
    path = sample.write(folder, outbox=bytes(data))
    path.with_name("outbox.db-wal").write_bytes(b"of the damaged one")
    left = [step]

    def cut_before(real: object) -> object:
        def stepped(*arguments: object, **more: object) -> object:
            if not left[0]:
                raise _Cut
            left[0] -= 1
            return real(*arguments, **more)  # type: ignore[operator]

        return stepped

    with monkeypatch.context() as patch:
        for owner, name in ((Path, "rename"), (Path, "unlink"), (salvage, "sync_folder")):
            patch.setattr(owner, name, cut_before(getattr(owner, name)))
        with suppress(_Cut):  # or it is over before
            open_store(path, ["office"]).db.close()
    assert sample.check(path) == 0
    assert [*folder.glob("outbox.db.re*")] == []


def test_one_damaged_row_is_buried_when_it_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "outbox.db"
    with opened(path, "office") as desk:
        desk.commit("a", "b", "c")
        desk.outbox.call(lambda db: db.execute("UPDATE event SET public = x'00' WHERE seq = 2")).result()
        page = desk.outbox.after(0, 10).result()
        assert [row.public for row in page.rows] == [b"a", b"c"]
        assert desk.outbox.known(2, 2).result() == {2: Buried(2, "damaged")}
        assert (desk.outbox.depth, desk.outbox.figures.damaged, desk.outbox.figures.tombstones) == (2, 1, 1)
    assert [record.fields for record in caplog.records if record.name.endswith("store")] == [  # type: ignore[attr-defined]
        {"seq": 2, "code": "STO-122"}
    ]
    with opened(path, "office") as desk:
        assert desk.outbox.figures.damaged == 1
        desk.outbox.confirm("office", 3, []).result()
        assert desk.outbox.known(1, 3).result() == {}


def test_a_damaged_acknowledgement_deletes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with opened(path, "office", "archive") as desk:
        desk.commit(*"abcdef")
        desk.outbox.confirm("archive", 2, []).result()
        desk.outbox.call(lambda db: db.execute("UPDATE subscriber SET upto = 6")).result()
        desk.outbox.confirm("office", 6, []).result()
        assert desk.seqs() == [1, 2, 3, 4, 5, 6]
        desk.outbox.confirm("archive", 3, []).result()
        assert desk.seqs() == [4, 5, 6]


def test_ten_thousand_rows_are_saved(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    desk = Desk(path, ["office"])
    for _ in range(10):
        desk.commit(*("x" * 300 for _ in range(1000)))
    desk.outbox.close()
    data = bytearray(path.read_bytes())
    data[18] = 0x55
    path.write_bytes(data)
    with opened(path, "office") as desk:
        assert desk.outbox.depth == 10_000

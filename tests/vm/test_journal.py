"""What stands in the journal, how a configuration is changed while it runs, and what a mistake in it does."""

from __future__ import annotations

import base64
import re

import pytest

from simulators.cards import make_card
from simulators.words import Words
from tests.support import canaries
from tests.support.wait import wait_until
from tests.vm.window_pc import CONFIG, READY_S, WindowPC

PERSON = "resident seed=77"
CARD = "seed=78"


@pytest.fixture(scope="module")
def pc(new_pc: WindowPC) -> WindowPC:
    """A window with two readers and a gun."""
    new_pc.set_up(("id-1", "gun-1", "card-1"))
    return new_pc


def test_the_journals_entries_have_fields(pc: WindowPC) -> None:
    entries = [entry for entry in pc.journal() if entry.get("SYSLOG_IDENTIFIER") == "hall-edge"]
    assert entries
    for entry in entries:
        assert entry["PRIORITY"] in "34567"
        assert entry["_SYSTEMD_UNIT"] == "hall-edge.service"
    about_one = [entry for entry in entries if entry.get("HALL_EDGE_DEVICE") == "id-1"]
    assert about_one, "journalctl HALL_EDGE_DEVICE=id-1 finds nothing"
    absent = [entry for entry in about_one if entry.get("HALL_EDGE_CODE")]
    assert absent
    assert {entry["PRIORITY"] for entry in absent} == {"4"}


def test_nothing_personal_stands_in_the_journal_or_on_the_disk(pc: WindowPC) -> None:
    planted = canaries.of_line(f"id-1 insert {PERSON}") + canaries.of_line(f"card-1 insert social-security {CARD}")
    assert planted
    with pc.office() as office:
        pc.bench.do(f"id-1 insert {PERSON}")
        pc.slot.insert(make_card("social-security", Words(["protocol=t0", CARD]), 78))
        wait_until(lambda: sum(one.type == "read" for one in list(office.events)) >= 2, READY_S, "both are read")
    pc.bench.do("id-1 remove")
    pc.slot.remove()
    journal = pc.guest.run("journalctl --no-pager --all --output=export", limit_s=READY_S).encode()
    state = pc.guest.run("cd /var/lib/hall-edge && for f in outbox.db*; do base64 -w0 $f; echo; done", limit_s=READY_S)
    places = [("the journal", journal), *(("the store", data) for data in map(base64.b64decode, state.splitlines()))]
    assert not canaries.found(planted, places)
    assert canaries.found(planted, [("itself", str(planted[0]).encode())]), "this search finds nothing at all"


def test_a_changed_configuration_is_taken_without_touching_the_rest(pc: WindowPC) -> None:
    pid, before = pc.main_pid(), _since(pc)
    pc.guest.run(f'cp -p {CONFIG} {CONFIG}.good && sed -i \'s/^content = "public"/content = "personal"/\' {CONFIG}')
    pc.guest.run("systemctl reload hall-edge.service", limit_s=READY_S)
    wait_until(lambda: _since(pc)["gun-1"] != before["gun-1"], READY_S, "the changed device is opened anew")
    pc.wait_ready("gun-1")
    assert pc.main_pid() == pid
    kept = {name: since for name, since in before.items() if name != "gun-1"}
    assert {name: since for name, since in _since(pc).items() if name != "gun-1"} == kept
    pc.guest.run(f"mv {CONFIG}.good {CONFIG} && systemctl reload hall-edge.service", limit_s=READY_S)
    pc.wait_ready("gun-1")


def test_a_wrong_configuration_is_refused_and_the_old_one_stays(pc: WindowPC) -> None:
    pid, before = pc.main_pid(), _since(pc)
    pc.guest.run(f"cp -p {CONFIG} {CONFIG}.good && sed -i 's/idcard_sdt/idcard_std/' {CONFIG}")
    status, said = pc.guest.attempt("hall-edge reload", limit_s=READY_S)
    assert status == 5, said
    assert re.search(r"idcard_std.*idcard_sdt", said), said
    pc.guest.run("systemctl reload hall-edge.service", limit_s=READY_S)
    pc.guest.wait("journalctl -u hall-edge.service -b -o cat | grep -q idcard_std", READY_S)
    assert (pc.main_pid(), _since(pc)) == (pid, before)
    pc.guest.run(f"mv {CONFIG}.good {CONFIG} && hall-edge reload", limit_s=READY_S)


def _since(pc: WindowPC) -> dict[str, str]:
    """Return since when each device has been in its state."""
    return {name: device["since"] for name, device in pc.status()["devices"].items()}

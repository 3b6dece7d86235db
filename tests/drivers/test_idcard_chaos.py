"""Anything at any moment: whatever happens to card, reader and cable, an event is one whole person or none."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.idcard_sdt import SdtIdCardDriver
from edge.errors import DeviceError
from edge.events import Payload, Presented, Read, Rejected, Removed
from simulators.people import citizen
from tests.drivers.idcard_rig import Job, Rig, executed, unopened

CARDS = [f"{kind} seed={seed} fingers=1" for seed, kind in enumerate(("resident", "J", "I", "Y"))]
COMMANDS = ("2001", "2002", "3010", "3003", "12ff")
PEOPLE = {card.number: (card.name, card.photo, card.fingerprints) for card in map(citizen, CARDS)}

moves = st.sampled_from([f"insert {card}" for card in CARDS] + ["remove"])
answers = st.sampled_from(["", *(f" answer={command}" for command in COMMANDS)])
counts = st.integers(0, 1900)
faults = st.one_of(
    st.sampled_from(["wrong-checksum", "chunk 1", "garbage 30", "garbage hex=AAAAAA96690FFF"]),
    st.builds("truncate {}".format, counts),
    st.builds("unplug-after {}".format, counts),
    st.builds("late {}".format, st.sampled_from([0.4, 1.2, 2.5, 7.0])),
    st.builds("replace {}".format, st.binary(min_size=1, max_size=30).map(bytes.hex)),
)
forced = st.builds(
    "status {:02x} answer={} times={}".format, st.integers(0, 255), st.sampled_from(COMMANDS), st.integers(1, 4)
)
happenings = st.one_of(
    moves,
    st.builds("{}{}".format, faults, answers),
    forced,
    st.tuples(st.sampled_from(COMMANDS), moves),
    st.tuples(st.just("read"), st.sampled_from(sorted(PEOPLE))),
)


def judge(events: Sequence[Payload], presented: bool) -> bool:
    """Check a run of events, and return whether a card lies there after it."""
    for event in events:
        if isinstance(event, Presented | Removed):
            assert presented is isinstance(event, Removed)
            presented = not presented
        else:
            assert presented
            assert isinstance(event, Read | Rejected)
        if isinstance(event, Read) and event.person is not None:
            holder = event.person
            assert holder.number is not None
            found = (holder.name_zh or holder.name, holder.photo_wlt, b"".join(holder.fingerprints or ()))
            person = PEOPLE[holder.number]
            assert found in (person, (*person[:2], b""))
    return presented


def step(rig: Rig, made: SdtIdCardDriver, happening: str | tuple[str, str], events: list[Payload]) -> bool:
    """Let one thing happen, then look; return whether the reader is still there."""
    try:
        if isinstance(happening, tuple) and happening[0] == "read":
            events.extend(executed(made, Job(rig, 2.0), number=happening[1]))
            return True
        if isinstance(happening, tuple):
            rig.then(*happening)
        else:
            rig.do(happening)
        for _ in range(3):
            events.extend(made.poll(0.3))
    except DeviceError as error:
        return not error.code.startswith(("IDC-1", "DEV-105"))
    return True


@settings(deadline=None, database=None, max_examples=150)
@given(st.lists(happenings, min_size=2, max_size=12), st.booleans(), st.sampled_from(["41", "21", "24"]))
def test_chaos(story: list[str | tuple[str, str]], removal: bool, order: str) -> None:
    rig = Rig(requires_removal=removal, wrong_order=order)
    made = unopened(rig, read="full", purpose="test", fingerprints=True, new_addresses=True)
    made.open()
    presented = False
    for happening in story:
        before = rig.now
        events: list[Payload] = []
        lives = step(rig, made, happening, events)
        presented = judge(events, presented) and lives
        assert rig.now - before < 3 * made.poll_limit_s
        if not lives:
            rig = Rig(requires_removal=removal, wrong_order=order)
            made.port = rig
            made.open()
    made.close()

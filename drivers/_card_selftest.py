"""The self-test of a smart-card reader: the service, the reader, and, with a person's help, a card that answers."""

from __future__ import annotations

from collections.abc import Iterator

from drivers._card_apdu import Talk
from drivers._card_atr import Atr, parse_atr
from drivers._card_pcsc import Seen, Service, Watch
from drivers._card_status import SW_OK, CardProblem
from drivers._selftest import patience
from edge.driver import Finding, Job, Port
from edge.selftest.model import Level

GET_UID = bytes.fromhex("FFCA000000")
"""PC/SC part 3: the reader itself answers with what it knows of a contactless card."""
CARD_S = 7.0
_TROUBLES = {"removed": "it was pulled out", "reset": "another program has reset it", "held": "another program has it"}


def findings(service: Service, reader: str, port: Port, level: Level, job: Job) -> Iterator[Finding]:
    """Yield what is found. A card's ATR and number say who has it: only that they could be read is told."""
    job.check()
    known = service.readers()
    watch = service.watch(reader)
    watch.look(0)
    port.proved()
    yield Finding(code="PCS-000", seen=_state(watch.seen), details={"readers": len(known)})
    if level == "interactive":
        yield from _card(service, reader, watch, port, job)


def _state(seen: Seen | None) -> str:
    if seen is None or not seen.present:
        return "the service and the reader answer; no card is in it"
    if seen.held:
        return "the service and the reader answer; another program uses the card in it"
    if seen.mute:
        return "the service and the reader answer; the card in it does not"
    return f"the service and the reader answer; a card is in it (ATR of {len(seen.atr)} bytes)"


def _card(service: Service, reader: str, watch: Watch, port: Port, job: Job) -> Iterator[Finding]:
    """Ask for a card, look whether it answers, and wait until it is taken out."""
    job.report("PCS-201")
    for wait_s in patience(job):
        watch.look(wait_s)
        port.proved()
        if watch.seen is not None and watch.seen.present:
            yield _tried(service, reader, watch.seen, port)
            _await_leaving(watch, port, job)
            return
    yield Finding(code="PCS-205", result="fail")


def _tried(service: Service, reader: str, seen: Seen, port: Port) -> Finding:
    """Say whether the card answers, without anything of what it answers."""
    atr = parse_atr(seen.atr)
    if seen.held:
        return Finding(code="PCS-206", result="warn")
    if seen.mute or not atr.valid:
        return Finding(code="PCS-204", result="fail", seen="a card is in the reader, and does not answer")
    try:
        with port.slow(CARD_S), service.card(reader) as handle:
            uid = _uid_bytes(Talk(handle.transmit, t0=handle.t0), atr)
    except CardProblem as problem:
        why = _TROUBLES.get(problem.trouble, "it does not answer")
        return Finding(code="PCS-204", result="fail", seen=f"the card in the reader could not be used: {why}")
    about = f"a card answers: {atr.interface}, ATR of {len(seen.atr)} bytes"
    return Finding(code="PCS-203", seen=about + (f", UID of {uid} bytes" if uid else ""))


def _uid_bytes(talk: Talk, atr: Atr) -> int:
    """Return how long the number of a contactless card is; 0: none was read."""
    if atr.interface != "contactless":
        return 0
    answer = talk.ask(GET_UID)
    return len(answer.data) if answer.status in SW_OK else 0


def _await_leaving(watch: Watch, port: Port, job: Job) -> None:
    """Wait until the card is taken out: it is not to be read as a citizen's."""
    job.report("PCS-202")
    for wait_s in patience(job):
        watch.look(wait_s)
        port.proved()
        if watch.seen is not None and not watch.seen.present:
            return

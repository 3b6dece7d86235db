"""A small MQTT 5 broker that does wrong what it is told to: ``python -m simulators.mqtt_broker --port 1883``.

Right, it does what a window and its back office need: QoS 0 and 1, sessions, retained messages, Retain As Published,
wills with a delay, Receive Maximum, Maximum Packet Size, Server Keep Alive. It has no QoS 2, no shared
subscriptions, no topic aliases, no TLS, no users, and keeps nothing on a disk. What it can do wrong stands in
:mod:`simulators.mqtt_broker_faults` and, as words, in :mod:`simulators.mqtt_broker_words`.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable
from typing import Any, Self

from simulators.mqtt_broker_desk import Desk
from simulators.mqtt_broker_faults import Deed, Fault, Faults
from simulators.mqtt_broker_loop import Loop
from simulators.mqtt_broker_packets import PROPERTIES, PUBLISH, TAKEN_OVER, Publish, puback
from simulators.mqtt_broker_sessions import Memory
from simulators.mqtt_broker_wire import packet
from simulators.words import ScenarioError, unknown

SWITCHES = frozenset(("frozen", "deaf", "bytes_per_s", "suback", "mute_takeover", "turn_away"))


class MqttBroker:
    """A broker in one thread; a context manager. ``port`` stays the same over ``down`` and ``up``.

    All public methods may be called from any thread, and have taken effect when they return.
    """

    def __init__(self, port: int = 0, *, keep: bool = True, host: str = "127.0.0.1") -> None:
        """*keep*: whether ``published`` remembers messages, or only counters do."""
        self.published: list[Publish] = []
        self.on_publish: Callable[[Publish], None] = self.published.append if keep else lambda _message: None
        """Called in the broker's thread with every PUBLISH that comes, whatever is done to it then."""
        self._memory = Memory()
        self._desk = Desk(self._memory, self._later, self._took)
        self._loop = Loop(self._desk, host, port)
        self._do = self._loop.do
        self._flapping = 0

    # -- life ---------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """Give the port it listens on, once it has begun."""
        return self._loop.port

    def start(self) -> Self:
        """Listen and serve; raises ``OSError``."""
        self._loop.start()
        return self

    def stop(self) -> None:
        """End it, and every connection."""
        self._loop.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def down(self, *, forget: bool = False) -> None:
        """Reset all connections and refuse new ones; *forget* loses sessions and retained messages, like a kill."""
        self._do(lambda: self._go_down(forget=forget))

    def up(self) -> None:
        """Listen again."""
        self._do(self._loop.listen)

    def kill(self) -> None:
        """Lose everything, and begin anew."""
        self.down(forget=True)
        self.up()

    def flap(self, up_s: float, down_s: float) -> None:
        """Be up and down in turns until told to be :meth:`steady`; begins with down."""
        self._do(lambda: self._flap(self._flapping + 1, up_s, down_s))

    def steady(self) -> None:
        """Flap no more, and be up."""

        def work() -> None:
            self._flapping += 1
            self._loop.listen()

        self._do(work)

    # -- faults -------------------------------------------------------------------------------------

    def fault(self, deed: Deed, **more: Any) -> Fault:
        """Do *deed* to messages from now on; *more* as in :class:`Fault`."""
        fault = Fault(deed, **more)
        self._do(lambda: self._desk.faults.publishes.append(fault))
        return fault

    def clear(self) -> None:
        """Be a good broker again; what was held back or frozen is done now."""

        def work() -> None:
            self._desk.faults = Faults()
            for line in list(self._loop.lines):
                self._desk.release(line)
                self._desk.hear(line)

        self._do(work)

    def release(self) -> None:
        """Send the PUBACKs held back, and hold no more."""

        def work() -> None:
            faults = self._desk.faults
            faults.publishes = [fault for fault in faults.publishes if fault.deed != "hold"]
            for line in list(self._loop.lines):
                self._desk.release(line)

        self._do(work)

    def limit(self, **limits: int) -> None:
        """State these limits in every CONNACK from now on, and keep to them, e.g. ``receive_maximum=1``."""
        for name in limits:
            if name not in PROPERTIES:
                raise unknown("limit", name, PROPERTIES)
        self._do(lambda: setattr(self._desk.faults, "limits", limits))

    def switch(self, **values: object) -> None:
        """Set switches of :class:`Faults` by name: ``frozen``, ``deaf``, ``bytes_per_s``, ``suback`` …"""

        def work() -> None:
            for name, value in values.items():
                if name not in SWITCHES:
                    raise unknown("switch", name, SWITCHES)
                setattr(self._desk.faults, name, value)
            for line in list(self._loop.lines):  # what came while it was frozen
                self._desk.hear(line)

        self._do(work)

    def freeze(self) -> None:
        """Take bytes and answer nothing, also to who connects."""
        self.switch(frozen=True)

    def thaw(self) -> None:
        """Do all that was not done while it was frozen."""
        self.switch(frozen=False)

    def turn_away(self, reason: int, times: int | None = None) -> None:
        """Answer CONNECT with *reason*."""
        self.switch(turn_away=Fault("refuse", reason, times=times))

    def take_over(self, client_id: str, *, told: bool = True) -> None:
        """End a client's connection as if another one had come with its name."""
        self._do(lambda: self._desk.end(self._desk.lines[client_id], TAKEN_OVER if told else None))

    def say(self, client_id: str, data: bytes) -> None:
        """Send raw bytes to a client."""
        self._do(lambda: self._desk.lines[client_id].send(data))

    def malformed(self, client_id: str) -> None:
        """Send a packet that is whole and wrong: a PUBLISH whose topic is longer than the packet."""
        self.say(client_id, packet(PUBLISH << 4, b"\xff\xffabc"))

    def half(self, client_id: str) -> None:
        """Send the beginning of a long packet; what comes behind it is taken for its rest."""
        self.say(client_id, packet(PUBLISH << 4, bytes(100_000))[:40])

    def garbage(self, client_id: str, size: int = 1000, seed: int = 0) -> None:
        """Send noise."""
        self.say(client_id, random.Random(seed).randbytes(size))

    def stray_puback(self, client_id: str, mid: int, reason: int = 0) -> None:
        """Acknowledge a message that was perhaps never sent."""
        self.say(client_id, puback(mid, reason))

    # -- looking ------------------------------------------------------------------------------------

    def count(self, counter: str) -> int:
        """Give what it has counted: ``connects``, ``published``, ``duplicates``, ``wills``, a deed's name …"""
        return self._desk.counters[counter]

    def clients(self) -> list[str]:
        """Give who is connected."""
        return self._do(lambda: list(self._desk.lines))

    def retained(self, topic: str) -> bytes | None:
        """Give the retained message of a topic."""
        return self._do(lambda: kept.payload if (kept := self._memory.retained.get(topic)) else None)

    def most_in_flight(self, client_id: str) -> int:
        """Give how many messages of a client were without a PUBACK at most, on its present connection."""
        return self._do(lambda: self._desk.lines[client_id].most_unacknowledged)

    # -- the broker's thread ------------------------------------------------------------------------

    def _took(self, message: Publish) -> None:
        self.on_publish(message)

    def _later(self, after_s: float, work: Callable[[], None]) -> None:
        self._loop.later(after_s, work)

    def _go_down(self, *, forget: bool) -> None:
        self._loop.hang_up(will=not forget)
        if forget:
            self._memory.forget()

    def _flap(self, turn: int, up_s: float, down_s: float) -> None:
        self._flapping = turn
        self._go_down(forget=False)

        def rise() -> None:
            if self._flapping == turn:
                self._loop.listen()
                self._later(up_s, fall)

        def fall() -> None:
            if self._flapping == turn:
                self._flap(turn, up_s, down_s)

        self._later(down_s, rise)


def main() -> int:
    """Run the command line: listen, say ``ready PORT``, obey the lines of standard input until its end."""
    from simulators.mqtt_broker_words import HELP, order  # it needs this module

    parser = argparse.ArgumentParser(
        prog="python -m simulators.mqtt_broker", description="A faulty MQTT 5 broker.",
        epilog=f"words of standard input:\n{HELP}", formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--port", type=int, default=0, help="0, the default: any that is free")
    parser.add_argument("--host", default="127.0.0.1")
    given = parser.parse_args()
    with MqttBroker(given.port, keep=False, host=given.host) as broker:
        sys.stdout.write(f"ready {broker.port}\n")
        sys.stdout.flush()
        for number, line in enumerate(sys.stdin, start=1):
            try:
                if (deed := order(broker, line)) is not None:
                    deed()
                    sys.stdout.write(f"done {line.strip()}\n")
            except ScenarioError as error:
                sys.stderr.write(f"{error.at(f'stdin:{number}')}\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())

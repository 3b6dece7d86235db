"""What a broker answers to each packet, right or wrong as its faults say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from simulators import mqtt_broker_packets as packets
from simulators.mqtt_broker_faults import ROUTED, Fault, Faults
from simulators.mqtt_broker_line import Line
from simulators.mqtt_broker_packets import Publish
from simulators.mqtt_broker_sessions import Memory, Session, expires, pending, valid_filter
from simulators.mqtt_broker_wire import Malformed, packet

_SUCCESS, _WITH_WILL, _BAD_FILTER, _UNKNOWN_FILTER = 0, 4, 0x8F, 0x11
_STRAY_MID = 65_000

Later = Callable[[float, Callable[[], None]], None]


class Desk:
    """Serves every line, in the broker's thread."""

    def __init__(self, memory: Memory, later: Later, taken: Callable[[Publish], None]) -> None:
        """*later* calls something after so many seconds; *taken* hears of every PUBLISH."""
        self.memory = memory
        self.faults = Faults()
        self.counters: Counter[str] = Counter()
        self.lines: dict[str, Line] = {}
        self._later, self._taken = later, taken
        self._answers: dict[int, Callable[[Line, int, bytes], None]] = {
            packets.PUBLISH: self._publish,
            packets.PUBACK: self._puback,
            packets.SUBSCRIBE: self._subscribe,
            packets.UNSUBSCRIBE: self._unsubscribe,
            packets.PINGREQ: lambda line, _head, _body: line.send(packet(packets.PINGRESP << 4, b"")),
            packets.DISCONNECT: self._goodbye,
        }

    def hear(self, line: Line) -> None:
        """Answer all packets that a line has sent."""
        try:
            for head, body in line.inbox.packets():
                self._answer(line, head, body)
                if line.closed or self.faults.frozen:
                    return
        except Malformed as fault:
            self.counters["malformed"] += 1
            self.end(line, fault.args[0])

    def end(self, line: Line, reason: int | None = None) -> None:
        """End a connection: with a DISCONNECT (or, before a session, a CONNACK), or without a word."""
        if line.closed:
            return
        if reason is not None:
            line.send(packets.disconnect(reason) if line.session else packets.connack(reason))
        line.close()
        self.gone(line)

    def gone(self, line: Line, *, will: bool = True) -> None:
        """Note that a connection has ended; its session may go on."""
        session = line.session
        if session is None or self.lines.get(session.client_id) is not line:
            return
        del self.lines[session.client_id]
        session.present = False
        session.left += 1
        left = session.left
        if will and session.will is not None:
            kept_s = session.expiry_s if expires(session) else session.will.delay_s
            self._later(min(session.will.delay_s, kept_s), lambda: self._publish_will(session, left))
        if not self.memory.keeps(session):
            self.memory.drop(session)
        elif expires(session):
            self._later(session.expiry_s, lambda: self._expire(session, left))

    def deliver(self) -> None:
        """Send what waits for whoever is here."""
        for line in list(self.lines.values()):
            if line.session is not None and not self.faults.frozen:
                for message in pending(line.session):
                    line.send(message.encoded())

    def tick(self, now: float) -> None:
        """End the connections of those who were silent for one and a half times their keep-alive."""
        for line in list(self.lines.values()):
            if line.keep_alive_s and now - line.heard > line.keep_alive_s * 1.5 and not self.faults.frozen:
                self.end(line, packets.KEEP_ALIVE_TIMEOUT)

    # -- packets ------------------------------------------------------------------------------------

    def _answer(self, line: Line, head: int, body: bytes) -> None:
        kind = head >> 4
        if kind == packets.CONNECT and line.session is None:
            self._connect(line, body)
        elif line.session is None or kind not in self._answers:
            raise Malformed(packets.PROTOCOL_ERROR)
        else:
            self._answers[kind](line, head, body)

    def _connect(self, line: Line, body: bytes) -> None:
        asked = packets.read_connect(body)
        self.counters["connects"] += 1
        faults = self.faults
        if faults.turn_away is not None and faults.turn_away.strikes(Publish("", b"", size=1)):
            self.end(line, faults.turn_away.reason)
            return
        if (rival := self.lines.get(asked.client_id)) is not None:
            self.end(rival, None if faults.mute_takeover else packets.TAKEN_OVER)
        session, present = self.memory.begin(asked.client_id, clean=asked.clean_start)
        session.expiry_s = min(asked.session_s, faults.limits.get("session_expiry", asked.session_s))
        session.receive_maximum, session.max_packet = asked.receive_maximum, asked.max_packet
        session.will = asked.will
        line.session = session
        line.keep_alive_s = faults.limits.get("server_keep_alive", asked.keep_alive_s)
        self.lines[asked.client_id] = line
        line.send(packets.connack(_SUCCESS, present=present, **faults.limits))

    def _publish(self, line: Line, head: int, body: bytes) -> None:
        message = packets.read_publish(head, body, line.client_id)
        limits = self.faults.limits
        if message.size > limits.get("maximum_packet_size", message.size):
            raise Malformed(packets.TOO_LARGE)
        if message.qos:
            line.unacknowledged += 1
            line.most_unacknowledged = max(line.most_unacknowledged, line.unacknowledged)
            if line.unacknowledged > limits.get("receive_maximum", 65_535):
                raise Malformed(packets.TOO_MANY)
        self.counters["published"] += 1
        self.counters["duplicates"] += message.dup
        self._taken(message)
        fault = self.faults.of(message)
        if fault is None:
            self._take(line, message)
        else:
            self.counters[fault.deed] += 1
            self._spoil(line, message, fault)

    def _take(self, line: Line, message: Publish) -> None:
        reached = self.memory.route(message)
        self._acknowledge(line, message, _SUCCESS if reached else packets.NO_SUBSCRIBERS)

    def _acknowledge(self, line: Line, message: Publish, reason: int) -> None:
        if message.qos:
            line.unacknowledged -= 1
            line.send(packets.puback(message.mid, reason))

    def _spoil(self, line: Line, message: Publish, fault: Fault) -> None:
        if fault.deed in ROUTED:
            self.memory.route(message)
        match fault.deed:
            case "forget":
                self._acknowledge(line, message, _SUCCESS)
            case "refuse":
                self._acknowledge(line, message, fault.reason)
            case "hold":
                line.held.append(message.mid)
            case "late":
                self._later(fault.after_s, lambda: self._acknowledge(line, message, _SUCCESS))
            case "twice":
                self._acknowledge(line, message, _SUCCESS)
                line.send(packets.puback(message.mid))
            case "stray":
                line.send(packets.puback(_STRAY_MID))
                self._acknowledge(line, message, _SUCCESS)
            case "disconnect":
                self.end(line, fault.reason)
            case "cut":
                line.reset()
                self.gone(line)

    def release(self, line: Line) -> None:
        """Send the PUBACKs held back."""
        held, line.held = line.held, []
        for mid in held:
            self._acknowledge(line, Publish("", b"", qos=1, mid=mid), _SUCCESS)

    def _puback(self, line: Line, _head: int, body: bytes) -> None:
        if line.session is not None:
            line.session.in_flight.pop(packets.read_puback(body), None)

    def _subscribe(self, line: Line, _head: int, body: bytes) -> None:
        mid, asked = packets.read_subscribe(body)
        reasons = []
        for wanted, options in asked:
            reason = self.faults.suback if self.faults.suback is not None else min(options & 3, 1)
            if not valid_filter(wanted):
                reason = _BAD_FILTER
            reasons.append(reason)
            if reason < packets.FIRST_FAILURE and line.session is not None:
                self.memory.subscribe(line.session, wanted, options & ~3 | reason)
        line.send(packets.suback(mid, reasons))

    def _unsubscribe(self, line: Line, _head: int, body: bytes) -> None:
        mid, filters = packets.read_unsubscribe(body)
        known = line.session.subscriptions if line.session else {}
        reasons = [_UNKNOWN_FILTER if known.pop(wanted, None) is None else _SUCCESS for wanted in filters]
        line.send(packets.suback(mid, reasons, un=True))

    def _goodbye(self, line: Line, _head: int, body: bytes) -> None:
        reason, expiry_s = packets.read_disconnect(body)
        if line.session is not None and expiry_s is not None:
            line.session.expiry_s = expiry_s
        line.close()
        self.gone(line, will=reason == _WITH_WILL)

    # -- timers -------------------------------------------------------------------------------------

    def _publish_will(self, session: Session, left: int) -> None:
        will, same = session.will, session.left == left and not session.present
        if will is not None and same:
            self.counters["wills"] += 1
            self.memory.route(Publish(will.topic, will.payload, will.qos, will.retain, properties=will.properties))

    def _expire(self, session: Session, left: int) -> None:
        if session.left == left and not session.present:
            self.memory.drop(session)

"""What a faulty broker does, as words: one line of standard input each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

from simulators.mqtt_broker_faults import DEEDS, Deed
from simulators.mqtt_broker_packets import PROPERTIES
from simulators.scenario import split_line
from simulators.words import ScenarioError, Words, to_number, to_seconds, unknown

if TYPE_CHECKING:
    from simulators.mqtt_broker import MqttBroker

Order = Callable[[], None]
_MOST = 1 << 28
_BYTE = 0xFF

HELP = """\
forget | refuse | drop | silent | hold | late | twice | stray | disconnect | cut
                      done to messages from now on: [REASON] [topic=FILTER] [client=ID] [nth=N] [times=N] [over=BYTES]
                      [after=S]; REASON is a number such as 0x87
clear                 be a good broker again
release               send the PUBACKs held back, and hold no more
freeze | thaw         take bytes and answer nothing | do all that was not done
deaf | hear           do not even take bytes | take them again
slow [BYTES]          take no more than so many bytes a second; without a number: as fast as they come
limit [name=N …]      state and keep limits: receive-maximum, maximum-packet-size, server-keep-alive, session-expiry,
                      maximum-qos, retain-available; for who connects from now on
turn-away REASON [times=N]   refuse who connects
take-over CLIENT [told=0]    end a client's connection as if another one had come with its name
garbage | malformed | half CLIENT   send a client such bytes
stray-puback CLIENT MID      acknowledge what it perhaps never sent
down | up | kill      reset all connections and refuse new ones | listen again | both, and forget everything
flap UP DOWN | steady so many seconds up and down in turns | no more"""


def order(broker: MqttBroker, line: str) -> Order | None:
    """Read a line; give what does it, ``None`` for an empty one. Raises ``ScenarioError``."""
    name, *rest = split_line(line) or ("",)
    if not name:
        return None
    words = Words(rest)
    makers = _makers(broker)
    if name in DEEDS:
        made = _fault(broker, cast(Deed, name), words)
    elif name in makers:
        made = makers[name](words)
    else:
        raise unknown("word", name, [*DEEDS, *makers])
    words.done()
    return made


def _makers(broker: MqttBroker) -> Mapping[str, Callable[[Words], Order]]:
    def plain(work: Order) -> Callable[[Words], Order]:
        return lambda _words: work

    return {
        "clear": plain(broker.clear),
        "release": plain(broker.release),
        "freeze": plain(broker.freeze),
        "thaw": plain(broker.thaw),
        "deaf": plain(lambda: broker.switch(deaf=True)),
        "hear": plain(lambda: broker.switch(deaf=False)),
        "up": plain(broker.up),
        "down": plain(broker.down),
        "kill": plain(broker.kill),
        "steady": plain(broker.steady),
        "slow": lambda words: _slow(broker, words),
        "limit": lambda words: _limit(broker, words),
        "turn-away": lambda words: _turn_away(broker, words),
        "take-over": lambda words: _take_over(broker, words),
        "garbage": lambda words: _to_client(broker.garbage, words),
        "malformed": lambda words: _to_client(broker.malformed, words),
        "half": lambda words: _to_client(broker.half, words),
        "stray-puback": lambda words: _stray(broker, words),
        "flap": lambda words: _flap(broker, words),
    }


def _fault(broker: MqttBroker, deed: Deed, words: Words) -> Order:
    reason = words.optional()
    more: dict[str, object] = {"reason": _reason(reason)} if reason else {}
    more["topic"], more["client"] = words.text("topic", "#"), words.text("client", "")
    more["nth"], more["over"] = words.number("nth", 0, 0, _MOST), words.number("over", 0, 0, _MOST)
    more["times"] = words.number("times", 1, 1, _MOST) if words.given("times") else None
    more["after_s"] = words.seconds("after", 1.0)
    return lambda: (broker.fault(deed, **more), None)[1]


def _slow(broker: MqttBroker, words: Words) -> Order:
    speed = words.optional()
    bytes_per_s = to_number(speed, "the speed", 1, _MOST) if speed else None
    return lambda: broker.switch(bytes_per_s=bytes_per_s)


def _limit(broker: MqttBroker, words: Words) -> Order:
    limits = {}
    for name in PROPERTIES:
        if words.given(key := name.replace("_", "-")):
            limits[name] = words.number(key, 0, 0, _MOST)
    return lambda: broker.limit(**limits)


def _turn_away(broker: MqttBroker, words: Words) -> Order:
    reason = _reason(words.required("the reason"))
    times = words.number("times", 1, 1, _MOST) if words.given("times") else None
    return lambda: broker.turn_away(reason, times)


def _take_over(broker: MqttBroker, words: Words) -> Order:
    client_id, told = words.required("the client"), words.flag("told", default=True)
    return lambda: _with_client(lambda: broker.take_over(client_id, told=told))


def _to_client(work: Callable[[str], None], words: Words) -> Order:
    client_id = words.required("the client")
    return lambda: _with_client(lambda: work(client_id))


def _stray(broker: MqttBroker, words: Words) -> Order:
    client_id, mid = (
        words.required("the client"),
        to_number(words.required("the packet id"), "the packet id", 1, 65_535),
    )
    return lambda: _with_client(lambda: broker.stray_puback(client_id, mid))


def _flap(broker: MqttBroker, words: Words) -> Order:
    up_s, down_s = (to_seconds(words.required(what), what) for what in ("the time up", "the time down"))
    return lambda: broker.flap(up_s, down_s)


def _reason(text: str) -> int:
    try:
        reason = int(text, 0)
    except ValueError:
        reason = -1
    if not 0 <= reason <= _BYTE:
        raise ScenarioError(f"a reason is a number from 0 to 255 such as 0x87, not {text!r}")
    return reason


def _with_client(work: Order) -> None:
    try:
        work()
    except KeyError as error:
        raise ScenarioError(f"no client {error.args[0]!r} is connected") from None

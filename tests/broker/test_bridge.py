"""The recipe as written: a hall's broker bridged to its district's, a real window below, the back office above."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from edge.subscriber import Completion, Requester, RequestError
from edge.subscriber.address import Address
from tests.broker.recipe import HALL, Authority, RecipeBroker, bridged
from tests.broker.window import HallWindow
from tests.support.broker import HOST
from tests.support.mqtt5 import Client
from tests.support.office import Office
from tests.support.picture_driver import page_bytes
from tests.support.proxy import Proxy
from tests.support.wait import wait_until, wait_until_async

OFFICE = "case-system"
WAN = 200
"""Codes that are scanned while there is no way to the district."""


class Scene:
    """Two brokers, one window, and what the back office needs at the district."""

    def __init__(
        self, folder: Path, authority: Authority, hall: RecipeBroker, district: RecipeBroker, way: Proxy
    ) -> None:
        self.authority, self.hall, self.district, self.way = authority, hall, district, way
        self.window = HallWindow(folder / "w", "w01", authority, hall)
        self._folder = folder / "office"
        self._folder.mkdir()
        self.scanned = 0

    @property
    def address(self) -> Address:
        return Address.parse(self.url, self.authority.login(f"system/{OFFICE}"))

    @property
    def url(self) -> str:
        return f"mqtts://{HOST}:{self.district.port}"

    @contextmanager
    def office(self) -> Iterator[Office]:
        login, keys = self.authority.login(f"system/{OFFICE}"), [self.window.folder / "private.jwk"]
        with Office(self.url, OFFICE, HALL, keys, self._folder, login) as there:
            yield there

    def scan(self, count: int = 1) -> None:
        for _ in range(count):
            self.scanned += 1
            self.window.bench.do(f"gun-1 scan C-{self.scanned}")
        wait_until(lambda: self.head >= self.scanned, 30, "all codes are accepted")

    def ask(self, command: str, timeout_s: float = 20, **params: object) -> Completion:
        """Ask the window's scanner, from the district."""

        async def asked() -> Completion:
            async with Requester(self.address, name=OFFICE, hall=HALL) as requester:
                return await requester.request("w01", "scan-1", command, params, timeout_s=timeout_s)

        return asyncio.run(asked())

    async def told(self, topic: str, wanted: bytes) -> None:
        """Wait until the district says *wanted*, retained, on *topic*."""
        heard: list[bytes] = []
        client = Client(lambda _topic, payload, _retain: heard.append(payload))
        await client.connect(HOST, self.district.port, "told", tls=self.address.tls)
        await client.subscribe([topic])
        await wait_until_async(lambda: wanted in heard[-1:], 30, f"{topic} is {wanted!r}: {heard}")
        await client.close()

    @property
    def head(self) -> int:
        return int(self.window.health().get("head_seq", 0))

    def processed(self) -> int:
        """Return how far the back office has come, by its position file."""
        windows = json.loads((self._folder / "position.json").read_text(encoding="utf-8"))["windows"]
        return int(windows[f"{HALL}/w01"]["upto_seq"])

    def confirmed(self) -> bool:
        """Whether the back office has acknowledged everything that the window has."""
        return bool(self.window.health()["outbox"]["depth"] == 0)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    authority.ca("bridge", HALL)
    return authority


@pytest.fixture
def scene(short_path: Path, authority: Authority) -> Iterator[Scene]:
    with ExitStack() as stack:

        def way(port: int) -> int:
            proxies.append(stack.enter_context(Proxy(port)))
            return proxies[0].port

        proxies: list[Proxy] = []
        hall, district = stack.enter_context(bridged(short_path, authority, way))
        here = Scene(short_path, authority, hall, district, proxies[0])
        stack.callback(here.window.close)
        here.window.start()
        yield here


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_sealed_events_pictures_and_requests_cross_the_bridge(scene: Scene) -> None:
    scene.scan(3)
    health = wait_until(lambda: (now := scene.window.health())["ladder"]["brokered"] == "3" and now)
    told = (health["link"]["unheard"], health["outbox"]["depth"], "SYS-141" in str(health["problems"]))
    assert told == (0, 3, False), "the hall's broker hears, for the bridge; confirmed they are not"
    with scene.office() as office:
        assert scene.ask("scan", max_pages=1).code == "ok"
        office.wait_seq(5)
        first, second, third, page, _end = office.events
        assert all(event.data["text"] for event in (first, second, third)), "opened with the back office's key"
        assert page.blob is not None
        assert page.blob.path.read_bytes() == page_bytes(1, 200_000)
        wait_until(scene.confirmed, 15, "the acknowledgements came back over the bridge")
        assert office.seqs == [1, 2, 3, 4, 5]
        assert [gap.state for gap in office.gaps] == ["open", "filled"], "what came before it was asked for"


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_district_is_told_whether_a_halls_broker_is_there(scene: Scene) -> None:
    state = f"hall/bridge/{HALL}/state"
    asyncio.run(scene.told(state, b"1"))
    assert scene.ask("scan", max_pages=1).code == "ok"
    scene.hall.kill()
    asyncio.run(scene.told(state, b"0"))
    with pytest.raises(RequestError) as failure:
        scene.ask("scan", 1, max_pages=1)
    assert failure.value.code == "SUB-105", "it says at once that nobody listens"


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_an_acknowledgement_that_is_lost_on_a_broken_way_is_said_again(scene: Scene) -> None:
    with scene.office() as office:
        scene.scan()
        wait_until(scene.confirmed, 15, "the first one is confirmed")
        scene.scan()  # its acknowledgement is due a second after the first one's
        office.wait_seq(2)
        scene.way.refuse()
        wait_until(lambda: scene.processed() == 2, 10, "the back office is done with it, and says so")
        asyncio.run(scene.told(f"hall/bridge/{HALL}/state", b"0"))
        assert not scene.confirmed(), "nobody heard it"
        scene.way.allow()
        wait_until(scene.confirmed, 30, "it is confirmed without a further event")


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_district_is_away_for_a_while(scene: Scene) -> None:
    with scene.office() as office:
        scene.scan()
        office.wait_seq(1)
        scene.district.terminate()
        scene.scan(WAN)
        assert scene.window.health()["link"]["state"] == "up", "the window has its hall"
        wait_until(lambda: scene.window.health()["ladder"]["brokered"] == str(scene.head), what="the hall has it all")
        scene.hall.restart()
        scene.district.start()
        office.wait_seq(WAN + 1, 40)
        assert (office.seqs, office.gaps) == (list(range(1, WAN + 2)), [])
        wait_until(scene.confirmed, 15, "all is confirmed")
    assert scene.window.health().get("replayed", 0) == 0, "the bridge kept it all"


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_what_the_bridge_cannot_keep_is_asked_for_at_the_window(scene: Scene) -> None:
    scene.hall.settle(("max_queued_bytes 268435456", "max_queued_bytes 20000"))
    with scene.office() as office:
        scene.scan()
        office.wait_seq(1)
        scene.district.kill()
        scene.hall.restart()
        scene.scan(WAN)
        scene.district.start()
        office.wait_seq(WAN + 1, 40)
        assert office.seqs == list(range(1, WAN + 2))
        wait_until(scene.confirmed, 15, "all is confirmed")
        assert scene.window.health().get("replayed", 0) > WAN / 2, "the bridge did drop them"
        assert scene.ask("scan", max_pages=1).code == "ok", "the district, which forgot all, knows the states again"

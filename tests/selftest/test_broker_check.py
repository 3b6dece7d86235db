"""The broker's checks on a real mosquitto: what it refuses, whom it lets in, and what subscribers hear of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge.selftest.checks.broker import Broker as BrokerCheck
from edge.selftest.checks.certificates import look_at_certificates
from edge.selftest.model import Check
from edge.selftest.scene import Scene
from tests.selftest.rig import HALL, WINDOW, codes, found, scene_of, write
from tests.support.authority import Authority, Issued
from tests.support.broker import Broker
from tests.support.office import Office
from tests.support.project import ROOT
from tests.support.wait import wait_until
from tests.support.window import BASE, Wiretap

Make = Callable[..., Broker]
BRANCHES = {
    "event": f"{BASE}/event/#", "sealed": f"{BASE}/sealed/#", "blob": f"{BASE}/blob/#",
    "replayed": f"{BASE}/replayed/#", "reply": f"{BASE}/reply/#", "health": f"{BASE}/health",
    "device-status": f"{BASE}/device/+/status", "device-about": f"{BASE}/device/+/about",
}  # fmt: skip


@pytest.fixture
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    with ExitStack() as brokers:

        def start(*extra: str, acl: str = "") -> Broker:
            folder = tmp_path_factory.mktemp("broker")
            if acl:
                (folder / "acl").write_text(acl, "utf-8")
                (folder / "acl").chmod(0o600)
                extra = (*extra, f"acl_file {folder}/acl")
            return brokers.enter_context(Broker(folder, extra=extra))

        yield start


def url(broker: Broker) -> str:
    return f"mqtt://127.0.0.1:{broker.port}"


async def both(scene: Scene) -> tuple[list[Check], list[Check]]:
    """Return the checks of the round trip and of the rights, as the plan runs them: on one connection."""
    check = BrokerCheck(scene)
    return [one async for one in check.round_trip()], [one async for one in check.rights()]


async def test_a_message_comes_back_and_nothing_stays(tmp_path: Path, broker: Broker) -> None:
    tap = Wiretap(broker.port)
    async with scene_of(write(tmp_path, url=url(broker))) as scene:
        (trip,), (rights,) = await both(scene)
    tap.close()
    assert (trip.code, trip.result) == ("MQT-000", "ok")
    assert float(trip.details["round_trip_ms"]) > 0
    assert (rights.code, rights.result) == ("MQT-001", "ok")
    ours = [message for message in tap.messages if message[0].startswith(f"{BASE}/")]
    assert len(ours) == 9
    assert not any(retained for _, _, retained in ours)
    (status,) = tap.on("status")
    assert status["state"] == "offline"  # which is true: no daemon runs
    later = Wiretap(broker.port)
    later.publish("nothing", b"done")
    wait_until(lambda: later.messages, 5)
    assert [topic for topic, _, _ in later.messages] == [f"{BASE}/nothing"]
    later.close()


async def test_subscribers_leave_probes_alone(tmp_path: Path, broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    with Office(url(broker), "office", HALL) as office:
        async with scene_of(write(tmp_path, url=url(broker))) as scene:
            (trip,), (rights,) = await both(scene)
        assert (trip.result, rights.result) == ("ok", "ok")
        assert office.seqs == []
    assert not [record for record in caplog.records if record.name.startswith("edge.subscriber")]


async def test_nobody_subscribed_is_said(tmp_path: Path, broker: Broker) -> None:
    async with scene_of(write(tmp_path, url=url(broker))) as scene:
        (trip,), (rights,) = await both(scene)
    assert trip.code == "MQT-000"
    assert (rights.code, rights.result) == ("SYS-141", "warn")


@pytest.mark.parametrize("branch", BRANCHES)
async def test_each_branch_that_is_refused_is_named(tmp_path: Path, make: Make, branch: str) -> None:
    broker = make(acl=f"topic readwrite #\ntopic deny {BRANCHES[branch]}\n")
    tap = Wiretap(broker.port)
    async with scene_of(write(tmp_path, url=url(broker))) as scene:
        (trip,), rights = await both(scene)
    tap.close()
    assert trip.code == "MQT-000"
    refused = [one for one in rights if one.code == "MQT-150"]
    assert [one.seen for one in refused] == [f"the broker refuses what the window publishes on {branch} (0x87)"]
    unused = branch in ("sealed", "blob", "replayed")  # no device and no subscriber needs it here
    assert refused[0].result == ("warn" if unused else "fail")


async def test_all_that_is_refused_is_named_at_once(tmp_path: Path, make: Make) -> None:
    broker = make(acl=f"topic readwrite {BASE}/status\n")
    async with scene_of(write(tmp_path, url=url(broker))) as scene:
        (trip,), rights = await both(scene)
    assert trip.code == "MQT-000"
    assert {one.seen.split(" on ")[1].split(" ")[0] for one in rights} == set(BRANCHES)


@pytest.mark.slow
async def test_a_status_that_is_refused_or_does_not_come_back(tmp_path: Path, make: Make) -> None:
    file = write(tmp_path, url=url(make(acl=f"topic read {BASE}/status\ntopic write {BASE}/event/#\n")))
    async with scene_of(file) as scene:
        _, rights = await both(scene)
        assert "the broker refuses what the window publishes on status (0x87)" in {one.seen for one in rights}
    file = write(tmp_path, url=url(make(acl=f"topic write {BASE}/#\n")))
    async with scene_of(file) as scene:
        (trip,), rights = await both(scene)
        assert (trip.code, trip.result) == ("MQT-151", "fail")
        assert [one.code for one in rights] == ["SYS-141"]


async def test_the_shipped_access_list_allows_it(tmp_path: Path, make: Make) -> None:
    shipped = (ROOT / "systemd" / "broker" / "windows.acl").read_text("utf-8")
    file = write(tmp_path, url=url(make(acl=shipped)), mqtt=f'username = "{HALL}/{WINDOW}"\n')
    async with scene_of(file) as scene:
        (trip,), rights = await both(scene)
    assert trip.code == "MQT-000"
    assert codes(rights) == {"SYS-141": "warn"}


async def test_no_broker(tmp_path: Path, broker: Broker) -> None:
    broker.kill()
    async with scene_of(write(tmp_path, url=url(broker))) as scene:
        (trip,), (rights,) = await both(scene)
    assert (trip.code, trip.result) == ("MQT-101", "fail")
    assert (rights.code, rights.result) == ("MQT-002", "skip")


@pytest.mark.slow
async def test_a_broker_that_hangs_takes_no_longer_than_it_may(tmp_path: Path, broker: Broker) -> None:
    broker.freeze()
    began = time.monotonic()
    async with scene_of(write(tmp_path, url=url(broker))) as scene:
        (trip,), _ = await both(scene)
    assert time.monotonic() - began < 8
    assert (trip.code, trip.result) == ("MQT-103", "fail")
    broker.thaw()


async def test_a_wrong_password(tmp_path: Path, make: Make) -> None:
    async with scene_of(write(tmp_path, url=url(make("allow_anonymous false")))) as scene:
        (trip,), _ = await both(scene)
    assert (trip.code, trip.result) == ("MQT-110", "fail")


# --- certificates --------------------------------------------------------------------------------


class Hall:
    """A broker with TLS and windows that it knows."""

    def __init__(self, folder: Path, make: Make, broker_days: float = 365) -> None:
        self.authority = Authority(folder / "ca")
        self.own = self.authority.issue("broker", ends=broker_days)
        acl = (ROOT / "systemd" / "broker" / "windows.acl").read_text("utf-8")
        lines = (
            f"cafile {self.authority.ca}", f"certfile {self.own.certificate}", f"keyfile {self.own.key}",
            "require_certificate true", "use_identity_as_username true", "allow_anonymous false",
        )  # fmt: skip
        self.broker = make(*lines, acl=acl)

    def file(self, folder: Path, issued: Issued, crl: Path | None = None) -> Path:
        lines = f'ca = "{self.authority.ca}"\ncertificate = "{issued.certificate}"\nkey = "{issued.key}"\n'
        lines += f'crl = "{crl}"\n' if crl else ""
        return write(folder, url=f"mqtts://127.0.0.1:{self.broker.port}", mqtt=lines)

    def window(self, ends: float = 365) -> Issued:
        return self.authority.issue(f"{HALL}/{WINDOW}", file="window", ends=ends)


async def test_good_certificates(tmp_path: Path, make: Make) -> None:
    hall = Hall(tmp_path, make)
    file = hall.file(tmp_path, hall.window(), hall.authority.revocations(ends=30))
    async with scene_of(file) as scene:
        (good,) = await found(look_at_certificates, scene)
        assert (good.code, good.result) == ("CRT-000", "ok")
        assert good.details["certificate_days"] == 364
        (trip,), rights = await both(scene)
    assert trip.code == "MQT-000"
    assert trip.details["broker_certificate_days"] == 364
    assert codes(rights) == {"SYS-141": "warn"}


@pytest.mark.parametrize(
    ("days", "code", "result"),
    [(20, "MQT-143", "warn"), (5, "MQT-144", "warn"), (0.5, "MQT-145", "warn"), (-0.1, "MQT-146", "fail")],
)
async def test_certificates_that_end(tmp_path: Path, make: Make, days: float, code: str, result: str) -> None:
    hall = Hall(tmp_path, make)
    async with scene_of(hall.file(tmp_path, hall.window(ends=days))) as scene:
        assert codes(await found(look_at_certificates, scene)) == {code: result}
        (trip,), _ = await both(scene)
    assert trip.code == ("MQT-138" if days < 0 else "MQT-000")


async def test_a_broker_whose_certificate_ends(tmp_path: Path, make: Make) -> None:
    hall = Hall(tmp_path, make, broker_days=9.5)
    async with scene_of(hall.file(tmp_path, hall.window())) as scene:
        (trip,), _ = await both(scene)
    assert (trip.code, trip.result, trip.seen) == ("MQT-152", "warn", "the broker's certificate ends in 9 days")


@pytest.mark.parametrize(("days", "expected"), [(3.4, {"CRT-101": "warn"}), (-1, {"MQT-135": "fail"})])
async def test_a_revocation_list_that_is_old(tmp_path: Path, make: Make, days: float, expected: dict[str, str]) -> None:
    hall = Hall(tmp_path, make)
    file = hall.file(tmp_path, hall.window(), hall.authority.revocations(ends=days))
    async with scene_of(file) as scene:
        assert codes(await found(look_at_certificates, scene)) == expected


async def test_a_key_that_is_another_ones(tmp_path: Path, make: Make) -> None:
    hall = Hall(tmp_path, make)
    window, other = hall.window(), hall.authority.issue("other")
    async with scene_of(hall.file(tmp_path, window)) as scene:
        window.key.write_bytes(other.key.read_bytes())
        assert codes(await found(look_at_certificates, scene)) == {"MQT-114": "fail"}
        (trip,), (rights,) = await both(scene)
    assert (trip.code, rights.code) == ("MQT-114", "MQT-002")


async def test_without_tls_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    async with scene_of(write(tmp_path)) as scene:
        assert codes(await found(look_at_certificates, scene)) == {"CRT-001": "skip"}


def test_a_probe_is_what_the_contract_says() -> None:
    from edge.probes import PROBE, PROBE_TYPE

    document = json.loads((ROOT / "docs" / "contract" / "asyncapi.json").read_text("utf-8"))
    message = document["channels"]["probe"]["messages"]["probe"]
    assert message["contentType"] == PROBE_TYPE
    assert json.loads(PROBE) == {"probe": 1}

"""What tests of drivers share: what is raised has its Chinese; a simulated PC/SC service, drivers that are closed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.drivers.card_rig import Make, Simulator, Window, forgotten, leading_to
from tests.support.chinese import Raised, untold, witness


@pytest.fixture(autouse=True)
def raised() -> Iterator[set[Raised]]:
    """Whatever a driver or a link raises in any test of this folder can be told in Chinese, with its own action."""
    found: set[Raised] = set()
    with witness(found):
        yield found
    assert not [lacking for one in sorted(found) if (lacking := untold(one))]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A simulated PC/SC service with a reader of two slots, in a process of its own."""
    simulator = Simulator(tmp_path_factory.mktemp("pcsc"), "card_pcsc,slots=2")
    yield simulator
    simulator.close()


@pytest.fixture
def make(service: Simulator) -> Iterator[Make]:
    """Open drivers on the first slot of the service, with other settings if wanted."""
    service.reset()
    made: list[Window] = []
    with leading_to(service.path) as address:

        def window(at: str = f"{address}&slot=0", **settings: object) -> Window:
            made.append(Window(at, **settings))
            made[-1].open()
            return made[-1]

        yield window
        for one in made:
            one.close()
    forgotten(service)


@pytest.fixture
def window(service: Simulator) -> Iterator[Window]:
    """A driver that reads everything, not opened yet."""
    service.reset()
    with leading_to(service.path) as address:
        one = Window(f"{address}&slot=0", read="full", purpose="test")
        yield one
        one.close()


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a driver wait neither for a service nor for a reader."""
    monkeypatch.setattr("drivers.card_pcsc.OPEN_WAIT_S", 0.0)
    monkeypatch.setattr("drivers.card_pcsc.RETURN_S", 0.0)

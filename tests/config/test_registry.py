"""Finding and importing drivers."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest

from edge import registry
from edge.errors import ConfigError, Problem
from edge.registry import Registry
from tests.config.sample_drivers.pad import PadDriver


def refused(drivers: Registry, name: str) -> Problem:
    with pytest.raises(ConfigError) as caught:
        drivers.load(name)
    (problem,) = caught.value.problems
    return problem


def test_shipped_drivers_are_found_without_importing_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tests.config.sample_drivers.two", raising=False)
    names = Registry().names()
    assert {"card", "pad", "two"} <= set(names)
    assert "_helper" not in names
    assert "tests.config.sample_drivers.two" not in sys.modules
    assert Registry().load("pad").__name__ == PadDriver.__name__


def test_the_drivers_of_the_project_can_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "PACKAGE", "drivers")
    drivers = Registry()
    assert {"idcard_sdt", "pad_serial", "code_serial"} <= set(drivers.names())
    for name in drivers.names():
        assert drivers.load(name).__module__ == f"drivers.{name}"


def test_a_package_of_drivers_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "PACKAGE", "no_such_drivers")
    assert Registry().names() == []
    assert "none is installed" in refused(Registry(), "pad").action


def test_installed_packages_are_not_looked_through_for_shipped_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        pytest.fail("looked through the installed packages")

    monkeypatch.setattr(importlib.metadata, "entry_points", fail)
    drivers = Registry()
    drivers.names()
    drivers.load("pad")


@pytest.mark.usefixtures("fake_package")
def test_a_foreign_driver_needs_permission() -> None:
    assert "acme_pad" not in Registry().names()
    problem = refused(Registry(["other"]), "acme_pad")
    assert problem.code == "CFG-121"
    assert 'add "acme-drivers" to allow_drivers' in problem.action
    assert "acme_drivers_pad" not in sys.modules


@pytest.mark.usefixtures("fake_package")
@pytest.mark.parametrize("spelling", ["acme-drivers", "Acme.Drivers", "acme_drivers"])
def test_an_allowed_foreign_driver_is_loaded(spelling: str) -> None:
    drivers = Registry([spelling])
    assert {"acme_pad", "acme_module", "pad"} <= set(drivers.names())
    assert drivers.load("acme_pad").__name__ == "AcmePad"
    assert drivers.load("acme_module").__name__ == "AcmePad"


@pytest.mark.usefixtures("fake_package")
def test_a_foreign_driver_never_takes_a_shipped_name() -> None:
    assert Registry(["acme-drivers"]).load("pad").__module__ == "tests.config.sample_drivers.pad"


@pytest.mark.usefixtures("fake_package")
@pytest.mark.parametrize(("name", "says"), [("acme_none", "AttributeError"), ("acme_number", "0 drivers")])
def test_a_foreign_driver_that_is_broken(name: str, says: str) -> None:
    problem = refused(Registry(["acme-drivers"]), name)
    assert problem.code == "CFG-123"
    assert says in problem.cause


def test_two_allowed_packages_with_one_name(fake_package: Path) -> None:
    second = fake_package / "beta-1.0.dist-info"
    second.mkdir()
    (second / "METADATA").write_text("Metadata-Version: 2.1\nName: beta\nVersion: 1.0\n", encoding="utf-8")
    (second / "entry_points.txt").write_text("[hall_edge.drivers]\nacme_pad = beta:Pad\n", encoding="utf-8")
    problem = refused(Registry(["beta", "acme-drivers"]), "acme_pad")
    assert (problem.code, problem.cause.endswith("acme-drivers, beta")) == ("CFG-121", True)
    assert Registry(["acme-drivers"]).load("acme_pad").__name__ == "AcmePad"

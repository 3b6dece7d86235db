"""The lab's machines: nothing here is collected without ``--vm``, which ``make vm-test`` gives."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.project import ROOT
from tests.vm.image import Image, image
from tests.vm.installed import installed
from tests.vm.window_pc import WindowPC

MINUTES = 60


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--vm", action="store_true", help="boot virtual machines: `make vm-test`")
    parser.addoption("--package", type=Path, help="the .deb to install; default: the newest in dist/")
    parser.addoption("--replugs", type=int, default=50, help="how often each reader is pulled and plugged in again")
    parser.addoption("--cuts", type=int, default=20, help="how often the power is cut")


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    return None if config.getoption("--vm", default=False) else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give everything time: the machine is emulated."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(20 * MINUTES))


@pytest.fixture(scope="session")
def package(pytestconfig: pytest.Config) -> Path:
    """The package under test."""
    chosen: Path | None = pytestconfig.getoption("--package")
    found = (
        [chosen] if chosen else sorted((ROOT / "dist").glob("hall-edge_*.deb"), key=lambda path: path.stat().st_mtime)
    )
    if not found or not found[-1].is_file():
        raise AssertionError("there is no package: run `make deb` first")
    return found[-1]


@pytest.fixture(scope="session")
def lab_image() -> Image:
    return image()


@pytest.fixture(scope="session")
def installed_disk(lab_image: Image, package: Path) -> Path:
    """A disk with snapshots of a running PC: ``booted``, and ``installed`` with the package on it."""
    return installed(lab_image, package, hashlib.sha256(package.read_bytes()).hexdigest()[:16])


@contextmanager
def _just_installed(image: Image, disk: Path) -> Iterator[WindowPC]:
    # A short name: a unix socket's path has at most 107 characters.
    with tempfile.TemporaryDirectory(prefix="vm-") as folder, WindowPC(Path(folder), image, disk) as pc:
        pc.start("installed")
        yield pc


@pytest.fixture(scope="module")
def new_pc(lab_image: Image, installed_disk: Path) -> Iterator[WindowPC]:
    """A PC on which the package has just been installed, one a module; nothing is configured yet."""
    with _just_installed(lab_image, installed_disk) as pc:
        yield pc


@pytest.fixture
def own_pc(lab_image: Image, installed_disk: Path) -> Iterator[WindowPC]:
    """A PC as :func:`new_pc`, for one test that switches it, or a part of it, off and on."""
    with _just_installed(lab_image, installed_disk) as pc:
        yield pc


@pytest.fixture(scope="module")
def pc(new_pc: WindowPC) -> WindowPC:
    """A PC whose window works: configured as an administrator does it, all its devices ready."""
    new_pc.set_up()
    return new_pc

"""What is tested, and where: nothing here is collected without ``--package-test``, as ``make package-test`` says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.package.beside import Beside
from tests.package.chroot import Chroot, base
from tests.package.made import BUILD, Made
from tests.package.programs import run
from tests.support.project import ROOT

LIMIT_S = 240


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--package-test", action="store_true", help="test dist/*.deb in chroots: `make package-test`")


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    return None if config.getoption("--package-test", default=False) else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give all the same time, so that they stay in order: the life of a package is told by one test after another."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(LIMIT_S))


@pytest.fixture(scope="session")
def made() -> Made:
    """What `make` left in dist/."""
    return Made.find(ROOT / "dist")


@pytest.fixture(scope="session")
def debian() -> Path:
    """A minimal Debian 12, packed."""
    try:
        return base()
    except SystemExit as needs_root:
        pytest.exit(str(needs_root), returncode=1)


@pytest.fixture(scope="session", autouse=True)
def beside(debian: Path, made: Made) -> Iterator[Beside]:
    """The second build and lintian: they run beside the other tests, and are asked for last."""
    del debian  # it makes the folder
    with Beside(made) as running:
        yield running


@pytest.fixture(scope="session")
def repository(made: Made) -> Path:
    """The offline bundle, unpacked: its packages stand for a Debian mirror."""
    run("tar", "-C", BUILD, "-xf", made.bundle)
    return BUILD / made.bundle.stem


@pytest.fixture(scope="module")
def pc(request: pytest.FixtureRequest, debian: Path, repository: Path) -> Iterator[Chroot]:
    """A minimal Debian 12, one a module; in /srv/bundle lies the offline bundle."""
    with Chroot(debian, BUILD / request.module.__name__.rpartition(".")[2]) as chroot:
        chroot.bring(repository, "srv/bundle")
        yield chroot

"""One browser for a module; each test gets it without complaints, and must leave it without any."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.page.chromium import Chromium
from tests.page.rig import Told, in_background

LATER = """
window.later = 0;
const real = performance.now.bind(performance);
performance.now = () => real() + window.later;
"""
"""The browser's clock, which a test can put forward."""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("c")) as own:
        own.tell("Page.addScriptToEvaluateOnNewDocument", source=LATER)
        yield own


@pytest.fixture
def told() -> Iterator[Told]:
    """A page with a window that the test can change."""
    with in_background(Told()) as own:
        yield own


@pytest.fixture
def tab(chromium: Chromium, told: Told) -> Iterator[Chromium]:
    """The browser at 1024 x 768; what it complains of fails the test. It is done before its server, *told*, ends."""
    del told
    chromium.open("about:blank")
    chromium.complaints.clear()
    chromium.size(1024, 768)
    yield chromium
    chromium.run("1")  # what it still has to say comes before this answer
    assert not chromium.complaints

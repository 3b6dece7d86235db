"""Keys to seal to: several at a time, old and new, and packages that seal in another way."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge import config
from edge.config import Config
from edge.config.findings import Findings
from edge.config.keys import check_public_keys
from edge.errors import ConfigError
from tests.config.conftest import GOOD, OTHER, PUBLIC

Load = Callable[[str | bytes], Config]
NOW = 1_800_000_000.0
DAY_S = 86_400
PROVIDER = '[sealing]\nprovider = "sm2"\npackage = "Acme_Sealing"\n'


def test_a_set_of_keys_is_as_good_as_one(load: Load, folder: Path) -> None:
    found = load(GOOD.replace("@/case.jwk", "@/set.jwk"))
    assert found.subscribers[0].key == f"{folder}/set.jwk"
    assert found.sealing == config.Sealing()
    assert load(GOOD.replace("@/case.jwk", "@/old-and-new.jwk")).warnings == ()


@pytest.mark.parametrize(
    ("ends", "left", "codes"),
    [
        ([None], 1, []),
        ([NOW + 1], 1, ["CFG-171"]),
        ([NOW], 0, ["CFG-170"]),
        ([NOW - 1, NOW + 31 * DAY_S], 1, []),
        ([NOW - 1, NOW + 29 * DAY_S], 1, ["CFG-171"]),
        ([NOW + 1, None], 2, []),
        ([NOW - 1, NOW - 2], 0, ["CFG-170"]),
    ],
)
def test_a_key_counts_until_it_expires(ends: list[float | None], left: int, codes: list[str]) -> None:
    keys = [{**PUBLIC, **({} if end is None else {"exp": end})} for end in ends]
    found = Findings("x.toml", {})
    assert len(check_public_keys((), json.dumps({"keys": keys}).encode(), found, NOW)) == left
    assert [one.code for one in (*found.problems, *found.warnings)] == codes


def test_one_key_for_two_subscribers_is_one_recipient(load: Load) -> None:
    again = '\n[[subscriber]]\nname = "other"\nkey = "@/case.jwk"\n'
    assert len(load(GOOD + again).subscribers) == 2


def test_soon_means_a_warning_with_the_days(load: Load, folder: Path) -> None:
    (folder / "soon.jwk").write_text(json.dumps({**OTHER, "exp": time.time() + 10.5 * DAY_S}), encoding="ascii")
    (warning,) = load(GOOD.replace("@/case.jwk", "@/soon.jwk")).warnings
    assert warning.code == "CFG-171"
    assert "expires in 10 days" in warning.cause


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install a foreign package ``acme-sealing``, whose keys begin with ``SM2``."""
    site = tmp_path / "site"
    info = site / "acme_sealing-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme.sealing\nVersion: 1.0\n", encoding="utf-8")
    points = "[hall_edge.sealing]\nsm2 = acme_sealing:Sm2\nhalf = acme_sealing:Half\nbroken = acme_none:X\n"
    (info / "entry_points.txt").write_text(points, encoding="utf-8")
    (site / "acme_sealing.py").write_text(
        "class Sm2:\n"
        "    def problem(self, key):\n"
        "        if key == b'crash': raise ValueError(key)\n"
        "        return None if key.startswith(b'SM2') else 'no SM2 key\\n'\n"
        "    def sealer(self, keys): raise NotImplementedError\n"
        "    def opener(self, keys): raise NotImplementedError\n"
        "class Half:\n"
        "    def problem(self, key): return None\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(site))
    sys.modules.pop("acme_sealing", None)  # another test's package of this name
    yield site
    sys.modules.pop("acme_sealing", None)


def foreign(folder: Path, key: str, provider: str = "sm2") -> str:
    (folder / "foreign.key").write_text(key, encoding="ascii")
    table = PROVIDER.replace("sm2", provider)
    return GOOD.replace("[log]", f"{table}[log]").replace("@/case.jwk", "@/foreign.key")


def refused(load: Load, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert len(caught.value.problems) == 1
    return f"{caught.value.code} {caught.value}"


@pytest.mark.usefixtures("acme")
def test_a_foreign_provider_judges_its_own_keys(load: Load, folder: Path) -> None:
    assert load(foreign(folder, "SM2 4711")).sealing == config.Sealing(provider="sm2", package="Acme_Sealing")
    assert "CFG-175" in (said := refused(load, foreign(folder, "RSA")))
    assert "no SM2 key" in said
    assert "ValueError" in (said := refused(load, foreign(folder, "crash")))
    assert '"crash"' not in said


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("name", ["half", "broken", "none", "jose"])
def test_a_provider_that_is_none_is_refused(load: Load, folder: Path, name: str) -> None:
    assert "CFG-174" in refused(load, foreign(folder, "SM2", name))


@pytest.mark.usefixtures("acme")
def test_a_foreign_provider_needs_a_key_also_in_lab_mode(load: Load, folder: Path) -> None:
    lab = foreign(folder, "SM2").replace('window = "w03"', 'window = "w03"\nlab = true')
    lab = lab.replace('certificate = "@/window.pem"\nkey = "@/window.key"\n', "")
    assert load(lab).window.lab
    assert "CFG-144" in refused(load, lab.replace('key = "@/foreign.key"\n', ""))

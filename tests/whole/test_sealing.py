"""Sealing in the whole daemon: keys that change without a gap, and a provider of a foreign package."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.sealing.jwe import JweOpener, Opener, SealError, new_key, opened, public_jwk
from edge.sealing.provider import provider
from simulators.people import citizen
from tests.support import foreign_sealer
from tests.support.foreign_sealer import MARK, PACKAGE, PROVIDER
from tests.support.wait import wait_until
from tests.support.window import BASE, WindowUnderTest
from tests.whole.reloads import reload

FULL = 'read = "full"\npurpose = "test"'


def sealed_of(window: WindowUnderTest, count: int) -> list[bytes]:
    """Return the sealed views heard, once there are *count*."""

    def heard() -> list[bytes] | None:
        found = [body for topic, body, _ in window.tap.messages if topic == f"{BASE}/sealed/id-card/id-1/read"]
        return list(dict.fromkeys(found)) if len(set(found)) >= count else None

    return wait_until(heard, what=f"{count} sealed events")


def one_card(window: WindowUnderTest, seed: int, before: int) -> None:
    window.do(f"id-1 insert resident seed={seed}")
    sealed_of(window, before + 1)
    window.do("id-1 remove")


def person_of(body: bytes, opener: Opener) -> str:
    return str(json.loads(opener.open(body)[0])["data"]["person"]["number"])


@pytest.mark.slow
@pytest.mark.parametrize("by", ["restart", "reload"])
def test_keys_change_without_a_gap(window: WindowUnderTest, by: str) -> None:
    old, new, other = new_key(), new_key(), new_key()
    keys = window.folder / "case.jwk"
    (window.folder / "other.jwk").write_text(json.dumps(public_jwk(other)), encoding="ascii")
    window.lab = False
    window.extra = f'[[subscriber]]\nname = "case-system"\nkey = "{keys}"\n'
    window.extra += f'[[subscriber]]\nname = "other"\nkey = "{window.folder}/other.jwk"\n'
    window.device("id-1", "idcard_sdt", FULL)
    for seed, now in enumerate(([old], [old, new], [new])):
        keys.write_text(json.dumps({"keys": [public_jwk(key) for key in now]}), encoding="ascii")
        if seed and by == "reload":
            assert reload(window)["kept"] == ["id-1"]
        else:
            window.start()
        one_card(window, seed, seed)
        assert by == "reload" or window.stop() == 0
    bodies = sealed_of(window, 3)
    numbers = [citizen(f"resident seed={seed}").number for seed in range(3)]
    assert [person_of(body, JweOpener([new, old])) for body in bodies] == numbers
    assert [person_of(body, JweOpener([other])) for body in bodies] == numbers
    assert [len(json.loads(body)["recipients"]) for body in bodies] == [2, 3, 2]
    for key, body in ((new, bodies[0]), (old, bodies[2])):
        with pytest.raises(SealError, match="SEC-101"):
            opened(body, [key])
    assert not (window.folder / "state" / "lab-key.jwk").exists()
    aad = json.loads(opened(bodies[0], [old])[1])
    assert list(aad) == ["window", "epoch", "seq", "topic", "type", "exp"]


@pytest.mark.slow
def test_a_foreign_provider_seals_and_opens(
    window: WindowUnderTest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside: Path = tmp_path_factory.mktemp("outside")
    site = foreign_sealer.install(outside)
    monkeypatch.setenv("PYTHONPATH", site)
    monkeypatch.syspath_prepend(site)
    key = new_key()
    public = window.folder / "acme.key"
    public.write_bytes(MARK + json.dumps(public_jwk(key)).encode())
    window.lab = False
    window.extra = f'[sealing]\nprovider = "{PROVIDER}"\npackage = "{PACKAGE}"\n'
    window.extra += f'[[subscriber]]\nname = "case-system"\nkey = "{public}"\n'
    window.device("id-1", "idcard_sdt", FULL)
    window.start()
    one_card(window, 7, 0)
    (body,) = sealed_of(window, 1)
    opener = provider(PROVIDER, PACKAGE).opener([MARK + json.dumps(key.as_dict(private=True)).encode()])
    assert person_of(body, opener) == citizen("resident seed=7").number
    with pytest.raises(SealError):
        opened(body, [key])  # the algorithms are not ours

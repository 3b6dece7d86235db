"""The settings of a smart-card reader."""

from __future__ import annotations

import msgspec
import pytest

from drivers._card_settings import CardSettings, Want, standing, wanted
from edge.events import ReadSmartCard
from tests.drivers.card_desk import PRESENCE


def test_settings() -> None:
    assert CardSettings().problems() == {}
    assert not CardSettings().needs_sealing()
    assert CardSettings(read="fields", fields=("name",)).needs_sealing()
    assert CardSettings(transmit_prefixes=("00b0",)).needs_sealing()
    assert standing(CardSettings(auto=False)) is None
    assert standing(CardSettings()) == PRESENCE
    assert wanted(CardSettings(read="full", purpose="a"), ReadSmartCard(purpose="b")) == Want("full", "b", None)


@pytest.mark.parametrize(
    ("given_settings", "key"),
    [
        ({"read": "full"}, "purpose"),
        ({"read": "fields"}, "fields"),
        ({"fields": ["name"]}, "fields"),
        *(
            ({"transmit_prefixes": [prefix]}, "transmit_prefixes")
            for prefix in ("00", "00B0", "xx", "0020", "8024", "10c2")
        ),
        ({"transmit_prefixes": ["00b0"] * 65}, "transmit_prefixes"),
    ],
)
def test_wrong_settings(given_settings: dict[str, object], key: str) -> None:
    assert list(msgspec.convert(given_settings, CardSettings).problems()) == [key]

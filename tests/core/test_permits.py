"""What may be asked for: every command has its tier, and what takes a person's data is off by default."""

from __future__ import annotations

import pytest

from edge.commands.permits import DEFAULT, TIERS, Permit, known_names, window_tier
from edge.commands.requests import Refusal
from edge.events import COMMANDS, Params
from edge.registry import Registry
from tests.support.project import ROOT

OFF = {"id-card.read", "smart-card.read", "smart-card.transmit", "document-camera.capture"}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.kind}.{command.command}")
def test_every_command_declares_its_tier(command: type[Params]) -> None:
    assert "tier" in vars(command), "an inherited tier is a forgotten one"
    assert command.tier in TIERS


def test_every_command_of_every_driver_is_one_of_the_contract() -> None:
    registry = Registry([])
    names = [path.stem for path in (ROOT / "drivers").glob("[a-z]*.py")]
    found = [command for name in names for command in registry.load(name).commands]
    assert len(names) >= 8
    assert {f"{command.kind}.{command.command}" for command in found} == set(known_names()) & {
        f"{command.kind}.{command.command}" for command in COMMANDS
    }


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.kind}.{command.command}")
def test_what_takes_a_persons_data_is_off_by_default(command: type[Params]) -> None:
    name = f"{command.kind}.{command.command}"
    if name not in OFF:
        Permit().check(command.kind, command.command, command.tier)
        return
    with pytest.raises(Refusal) as caught:
        Permit().check(command.kind, command.command, command.tier)
    assert (caught.value.code, caught.value.completion) == ("CMD-111", "refused")
    assert name in caught.value.action
    Permit(frozenset({name})).check(command.kind, command.command, command.tier)
    Permit(frozenset({"act"})).check(command.kind, command.command, command.tier)


def test_the_default_names_exist() -> None:
    assert set(DEFAULT) <= set(known_names())
    assert "act" not in DEFAULT


def test_an_unknown_command_to_the_window_counts_as_the_highest() -> None:
    assert window_tier("case-open") == "read"
    assert window_tier("format-disk") == "act"


def test_one_tier_does_not_bring_another() -> None:
    for allowed in TIERS:
        for tier in TIERS:
            if tier == allowed:
                Permit(frozenset({allowed})).check("scanner", "scan", tier)
            else:
                with pytest.raises(Refusal):
                    Permit(frozenset({allowed})).check("scanner", "scan", tier)

"""The contract: generated = committed = what crosses the broker (the last is checked after every whole test)."""

from __future__ import annotations

import json

from jsonschema import Draft202012Validator

from edge.contract import documents
from tests.support.contract import FOLDER, breaks, faults


def test_the_committed_contract_is_the_generated_one() -> None:
    generated = {name: json.dumps(body, indent=2, ensure_ascii=False) + "\n" for name, body in documents()}
    committed = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert committed == generated, "run `make contract` and commit docs/contract"


def test_every_schema_is_a_schema() -> None:
    for path in FOLDER.glob("*.json"):
        if path.name != "asyncapi.json":
            Draft202012Validator.check_schema(json.loads(path.read_text(encoding="utf-8")))


def test_the_check_of_the_wire_can_fail() -> None:
    base = b'{"state": "online", "epoch": 1, "boot": "b", "version": "1", "since": "2026-11-22T08:00:00+00:00"}'
    assert not breaks([("hall/v1/h/w/status", base, True)])
    assert breaks([("hall/v1/h/w/status", base.replace(b"online", b"happy"), True)])
    assert breaks([("hall/v1/h/w/unheard-of", b"{}", False)])
    assert faults("id-card.read.json", {"specversion": "1.0"})

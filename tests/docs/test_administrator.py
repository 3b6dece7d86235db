"""docs/administrator.md: the whole configuration in it is valid, and its mistakes would be named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge import problems, reload
from edge.commands import signatures
from edge.config import load
from edge.errors import ConfigError
from edge.sealing.jwe import new_key, public_jwk
from tests.docs.blocks import blocks
from tests.support.authority import Authority
from tests.support.project import ROOT


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The document's file, with its folder moved to a temporary one and the files it names."""
    (text,) = blocks("docs/administrator.md", "toml")
    path = tmp_path / "hall-edge.toml"
    path.write_text(text.replace("/etc/hall-edge/", f"{tmp_path}/"), encoding="utf-8")
    (tmp_path / "case-system.jwk").write_text(json.dumps(public_jwk(new_key())), encoding="utf-8")
    (tmp_path / "case-system.sign.jwk").write_text(json.dumps(public_jwk(signatures.new_key())), encoding="utf-8")
    authority = Authority(tmp_path / "authority")
    (tmp_path / "ca.pem").write_bytes(authority.ca.read_bytes())
    (tmp_path / "crl.pem").write_bytes(authority.revocations().read_bytes())
    (tmp_path / "window.pem").write_bytes(authority.issue("w03.songjiang-district").certificate.read_bytes())
    (tmp_path / "window-key").write_bytes(new_key().as_pem(private=True))
    (tmp_path / "window-key").chmod(0o600)
    return path


def test_the_configuration_in_the_document_is_valid(written: Path, tmp_path: Path) -> None:
    config = load(written, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert [device.name for device in config.devices] == ["id-1", "pad-1", "ticket-1"]
    assert config.window.window == "w03"


def test_a_mistake_in_it_would_be_named(written: Path, tmp_path: Path) -> None:
    written.write_text(written.read_text(encoding="utf-8").replace("keepalive_s", "keepalives"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"hall-edge\.toml:\d+.*keepalive_s"):
        load(written, {"CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_every_problem_of_a_window_is_explained() -> None:
    text = (ROOT / "docs" / "administrator.md").read_text(encoding="utf-8")
    assert not [code for code in [*problems.CODES, *reload.CODES] if f"`{code}`" not in text]

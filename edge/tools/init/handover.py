"""What the daemon's unit must be told of this window, in a drop-in: above all the keys that systemd hands over.

The files of ``LoadCredential=`` belong to root alone. On a PC with a TPM the private key is sealed to it: copied to
another PC, the disk gives no key. A broker outside of private networks is let through.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.config.credentials import DROP_INS, Grant
from edge.errors import ConfigError, Problem, quoted

MARK = "# Made by hall-edge init"
FILE = f"{DROP_INS}/credentials.conf"
NAMES = {"certificate": "window-certificate", "key": "window-key", "password_file": "broker-password"}
SEALED = ".cred"
"""Files with this ending are sealed already."""
_PLAIN = re.compile(r"/[\w./+-]+", re.ASCII)
_TIMEOUT_S = 60
_PCRS = "--tpm2-pcrs=16"
"""Bound to this TPM and to no state of the firmware: an update of that must not keep a window closed. Register 16 is
always zero; with none at all, systemd 252 seals what it cannot open."""
_ACTION = "look at the TPM: systemd-creds has-tpm2; or add --no-tpm"


@dataclass
class Handover:
    """The credentials of a window, by name, and the addresses that it must reach besides those of its unit."""

    grants: dict[str, Grant] = field(default_factory=dict)
    addresses: list[str] = field(default_factory=list)

    def text(self) -> str | None:
        """Return the drop-in; ``None`` where the unit is right as it is."""
        if not self.grants and not self.addresses:
            return None
        lines = [f"{MARK}: files that systemd reads as root and hands to the daemon, and the broker's address."]
        lines += ["[Service]", *(f"IPAddressAllow={address}" for address in self.addresses)]
        for name, grant in self.grants.items():
            setting = "LoadCredentialEncrypted" if grant.encrypted else "LoadCredential"
            lines.append(f"{setting}={name}:{grant.path}")
        return "\n".join(lines) + "\n"


def hand_over(document: Mapping[str, Any], folder: str, root: str) -> tuple[dict[str, Any], Handover]:
    """Return *document* with ``credential:NAME`` in place of the window's own files, and what systemd must give.

    Where the private key is gone and a sealed one is in *folder*, that is given.
    """
    table, handover = document.get("mqtt"), Handover()
    if not isinstance(table, dict):
        return dict(document), handover
    mqtt = dict(table)
    for key, name in NAMES.items():
        path = mqtt.get(key)
        if isinstance(path, str) and path.startswith("/"):
            if not _PLAIN.fullmatch(path):
                action = "give the file a name of letters, digits and . _ + -"
                raise ConfigError([Problem("CFG-189", f"{key}: systemd cannot be given {quoted(path)}", action)])
            sealed = f"{folder}/{name}{SEALED}"
            if key == "key" and not Path(root + path).exists() and Path(root + sealed).exists():
                path = sealed
            handover.grants[name] = Grant(path, encrypted=path.endswith(SEALED))
            mqtt[key] = f"credential:{name}"
    return {**document, "mqtt": mqtt}, handover


def has_tpm() -> bool:
    """Return whether this PC's firmware, kernel and systemd can use a TPM."""
    try:
        return _systemd_creds("has-tpm2").returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def seal(handover: Handover, folder: str, root: str) -> str | None:
    """Seal the private key to this PC's TPM; return the path of the plain one, or ``None`` when there is none.

    A key that was sealed before and has not changed since is not sealed again. Raises :class:`ConfigError`.
    """
    name = NAMES["key"]
    plain = handover.grants.get(name)
    if plain is None or plain.encrypted:
        return None
    sealed = f"{folder}/{name}{SEALED}"
    source, target = Path(root + plain.path), Path(root + sealed)
    if not (target.exists() and target.stat().st_mtime >= source.stat().st_mtime):
        _encrypt(name, source, target)
    handover.grants[name] = Grant(sealed, encrypted=True)
    return plain.path


def _encrypt(name: str, source: Path, target: Path) -> None:
    """Seal *source* into *target*, and see that it comes back: a key that does not would be found missing at a boot."""
    new = target.with_suffix(".new")
    try:
        _need(_systemd_creds("encrypt", f"--name={name}", "--with-key=tpm2", _PCRS, str(source), str(new)))
        opened = _systemd_creds("decrypt", f"--name={name}", str(new), "-")
        _need(opened)
        if opened.stdout != source.read_bytes():
            raise ConfigError([Problem("CFG-199", "the sealed key is not the private key", _ACTION)])
        new.chmod(0o600)
        new.rename(target)
    except OSError as error:
        cause = f"the private key cannot be sealed: {error.strerror}"
        raise ConfigError([Problem("CFG-199", cause, _ACTION)]) from error
    except subprocess.TimeoutExpired:
        raise ConfigError([Problem("CFG-199", "the TPM does not answer", _ACTION)]) from None
    finally:
        new.unlink(missing_ok=True)


def _need(done: subprocess.CompletedProcess[bytes]) -> None:
    """Raise :class:`ConfigError` with what systemd-creds said when it failed."""
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        cause = f"the private key cannot be sealed: {quoted(said[-1] if said else 'systemd-creds failed', 120)}"
        raise ConfigError([Problem("CFG-199", cause, _ACTION)])


def _systemd_creds(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = ["systemd-creds", *arguments]
    return subprocess.run(command, capture_output=True, check=False, timeout=_TIMEOUT_S)

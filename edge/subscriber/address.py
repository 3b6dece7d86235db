"""Where the broker is, and how the two prove to each other who they are."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from edge.subscriber.errors import BadArgument

_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, kw_only=True)
class Login:
    """How to prove to each other who we are. With mqtts, *ca* is the private CA (default: the system's)."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Address:
    """A broker: ``mqtt://host[:port]`` or ``mqtts://host[:port]``."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    login: Login

    @classmethod
    def parse(cls, url: str, login: Login | None) -> Address:
        """Return where and how to connect; raises :class:`BadArgument`."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
            if not host or port is None or parts.scheme not in _PORTS:
                raise ValueError(parts.scheme)
        except ValueError:
            raise BadArgument("the broker's URL is not mqtt://host:port or mqtts://host:port") from None
        if parts.username or parts.password:
            raise BadArgument("the broker's URL holds a password", action="give it as Login(username, password)")
        login = login or Login()
        return cls(host=host, port=port, tls=_tls(login) if parts.scheme == "mqtts" else None, login=login)


def _tls(login: Login) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=login.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if login.certificate:
            context.load_cert_chain(login.certificate, login.key)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise BadArgument(f"the certificate files cannot be used: {error}", action="check the files") from error
    return context

"""TLS to the broker: what is trusted, and which of the many ways to fail it was. There is no way back to plain MQTT.

Only the configured CA is trusted, the broker's name or address must stand in its certificate, and nothing below
TLS 1.3 is spoken (RFC 8446). The files are read anew for every connection: a renewed certificate or revocation
list counts from the next one on, without a restart.
"""

from __future__ import annotations

import contextlib
import ssl
from dataclasses import dataclass
from typing import Any, NamedTuple

CODES = {
    "MQT-130": "the broker's certificate is for another name",
    "MQT-131": "the broker's certificate is not of the configured CA",
    "MQT-132": "the broker's certificate has expired",
    "MQT-133": "the broker's certificate is not valid yet",
    "MQT-134": "the broker's certificate was revoked",
    "MQT-135": "the revocation list (crl) is missing for this CA, or out of date",
    "MQT-136": "the broker wants a client certificate, and none is configured",
    "MQT-137": "the broker does not accept this window's certificate",
    "MQT-138": "this window's certificate has expired",
    "MQT-139": "the broker speaks no TLS 1.3",
    "MQT-140": "the broker speaks no TLS at this port",
    "MQT-141": "the broker ended a plain connection before it answered",
    "MQT-142": "the broker's certificate is refused for another reason, or TLS fails in another way",
}
"""What can be wrong with a connection before MQTT begins; each has its own action in :func:`explain`."""

_ACTIONS = {
    "MQT-130": "write the name that stands in the broker's certificate into url in [mqtt], or renew that certificate",
    "MQT-131": "compare ca in [mqtt] with the CA that signed the broker's certificate; if it should fit, "
    "somebody else answers at this address: call the network's administrator",
    "MQT-132": "renew the broker's certificate; if it is still valid, set this PC's clock",
    "MQT-133": "set this PC's clock; if it is right, the broker's certificate was issued for later",
    "MQT-134": "give the broker a new certificate; until then it must be taken for somebody else",
    "MQT-135": "put the CA's newest revocation list (PEM) where crl in [mqtt] names it",
    "MQT-136": "add certificate and key of this window to [mqtt]",
    "MQT-137": "let the broker's CA sign this window's certificate, and see the broker's log for what it dislikes",
    "MQT-138": "renew this window's certificate, then sudo systemctl restart hall-edge",
    "MQT-139": "let the broker offer TLS 1.3",
    "MQT-140": "check host and port of url in [mqtt]: MQTT with TLS usually listens at 8883",
    "MQT-141": "check host and port; if TLS listens there, write mqtts:// in url and add ca",
    "MQT-142": "see the broker's log, and check both certificates with openssl verify",
}
_BY_VERIFICATION = {
    62: "MQT-130", 64: "MQT-130",  # X509_V_ERR_HOSTNAME_MISMATCH, …_IP_ADDRESS_MISMATCH
    2: "MQT-131", 18: "MQT-131", 19: "MQT-131", 20: "MQT-131", 21: "MQT-131", 27: "MQT-131",
    10: "MQT-132", 9: "MQT-133", 23: "MQT-134", 3: "MQT-135", 11: "MQT-135", 12: "MQT-135",
}  # fmt: skip
"""By OpenSSL's X509_V_ERR_… (x509_vfy.h)."""
_BY_REASON = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "MQT-136",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "MQT-138",
    "TLSV1_ALERT_PROTOCOL_VERSION": "MQT-139",
    "UNSUPPORTED_PROTOCOL": "MQT-139",
    "WRONG_SSL_VERSION": "MQT-139",
    "WRONG_VERSION_NUMBER": "MQT-140",
    "UNEXPECTED_EOF_WHILE_READING": "MQT-140",
    **dict.fromkeys(
        ("SSLV3_ALERT_CERTIFICATE_REVOKED", "SSLV3_ALERT_BAD_CERTIFICATE", "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
         "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE", "TLSV1_ALERT_UNKNOWN_CA", "TLSV1_ALERT_ACCESS_DENIED"), "MQT-137",
    ),
}  # fmt: skip
"""By OpenSSL's reason: alerts are what the broker says (RFC 8446, 6.2)."""


class Trouble(NamedTuple):
    """Why there is no TLS connection, for a person."""

    code: str
    seen: str
    action: str


UNUSABLE = Trouble(
    "MQT-114",
    "the files for the broker cannot be used",
    "check ca, crl, certificate, key and password_file in [mqtt]; the key must belong to the certificate",
)


class UnusableFiles(ValueError):
    """A file of the configuration is gone, damaged, or does not fit the others."""


@dataclass(frozen=True)
class TlsFiles:
    """What ``[mqtt]`` says about TLS, as paths of PEM files."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    crl: str | None = None

    def context(self) -> ssl.SSLContext:
        """Return a fresh context of these files; raises :class:`UnusableFiles`."""
        try:
            return self._context()
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise UnusableFiles(str(error)) from error

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.sslsocket_class = Wire
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key, password=_no_password)
        if self.crl:
            context.load_verify_locations(cafile=self.crl)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        return context


class Wire(ssl.SSLSocket):
    """A socket that remembers how it failed, which paho does not tell, and that is closed after a failed handshake."""

    trouble: OSError | None = None

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002  # as the library has it
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        try:
            return super().recv(buflen, flags)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError as error:
            self.trouble = error
            raise

    def send(self, data: Any, flags: int = 0) -> int:
        try:
            return super().send(data, flags)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError:
            with contextlib.suppress(OSError):
                self.recv(1)  # under TLS 1.3 a refusal of our certificate comes after the handshake: read why
            raise


def explain(error: BaseException, files: TlsFiles) -> Trouble | None:
    """Return what *error* of a TLS connection means, or ``None`` when it is not TLS that failed."""
    if isinstance(error, UnusableFiles):
        return UNUSABLE
    if isinstance(error, ssl.SSLCertVerificationError):
        code = _BY_VERIFICATION.get(error.verify_code, "MQT-142")
        return _trouble(code, f"{CODES[code]} ({error.verify_message.rstrip('.')})")
    if isinstance(error, ssl.SSLError):
        return _trouble(_reasoned(error, files))
    if isinstance(error, ConnectionError) and not isinstance(error, ConnectionRefusedError):
        return _trouble("MQT-140")  # closed in the middle of the handshake
    return None


def closed_at_once() -> Trouble:
    """Return the trouble of a plain connection that the other end closes instead of answering."""
    return _trouble("MQT-141")


def _reasoned(error: ssl.SSLError, files: TlsFiles) -> str:
    code = _BY_REASON.get(error.reason or "", "MQT-142")
    if isinstance(error, ssl.SSLEOFError):
        return "MQT-140"
    if code == "MQT-142" and error.reason == "SSLV3_ALERT_HANDSHAKE_FAILURE" and files.certificate is None:
        return "MQT-136"
    return code


def _trouble(code: str, seen: str = "") -> Trouble:
    return Trouble(code, seen or CODES[code], _ACTIONS[code])


def _no_password() -> str:
    raise ValueError("the private key is encrypted")  # else OpenSSL would ask for it on the terminal

"""The corpus of broken configurations, continued: who may ask for what, and whose certificate it is."""

from __future__ import annotations

from tests.config.broken import CERTIFICATE, URL, Broken, broken
from tests.config.broken_rules import plain


def asked(name: str, code: str, lines: str, *says: str, **more: int) -> Broken:
    """Return a configuration with more tables before the first device."""
    return broken(name, code, '[[device]]\nname = "id-1"', f'{lines}\n\n[[device]]\nname = "id-1"', *says, **more)


REQUESTER = '[[requester]]\nname = "case-system"'
REQUESTS = [
    asked("allow-typo", "CFG-161", '[commands]\nallow = ["raed"] #!', 'no "raed"', 'did you mean "read"'),
    asked("allow-kind-only", "CFG-161", '[commands]\nallow = ["scanner"] #!', "kind.command", "scanner.scan"),
    asked("allow-other-command", "CFG-161", '[commands]\nallow = ["test", "id-card.transmit"] #!', "there is no"),
    asked("commands-allow-text", "CFG-112", '[commands]\nallow = "act" #!', "allow: expected a list"),
    asked("commands-key", "CFG-110", "[commands]\nallowed = [] #!", 'unknown key "allowed"', 'did you mean "allow"'),
    asked("requester-without-key", "CFG-111", '[[requester]] #!\nname = "case-system"', "key is missing"),
    asked("requester-key-missing", "CFG-150", f'{REQUESTER}\nkey = "@/none.jwk" #!', "No such file"),
    asked("requester-key-private", "CFG-153", f'{REQUESTER}\nkey = "@/private.jwk" #!', "holds a private key"),
    asked("requester-key-for-sealing", "CFG-152", f'{REQUESTER}\nkey = "@/case.jwk" #!', "wrong: use"),
    asked("requester-key-rsa", "CFG-152", f'{REQUESTER}\nkey = "@/rsa.jwk" #!', "wrong: kty, crv, x, y"),
    asked("requester-key-symmetric", "CFG-153", f'{REQUESTER}\nkey = "@/secret.jwk" #!', "private key"),
    asked(
        "requester-allow",
        "CFG-161",
        f'{REQUESTER}\nkey = "@/requester.jwk"\nallow = ["capture"] #!',
        'there is no "capture"',
        'did you mean "document-camera.capture"',
    ),
    asked(
        "requester-twice",
        "CFG-114",
        f'{REQUESTER}\nkey = "@/requester.jwk"\n[[requester]]\nname = "case-system" #!\nkey = "@/edwards.jwk"',
        'the name "case-system" is already used',
    ),
    asked(
        "requesters-share-a-key",
        "CFG-162",
        f'{REQUESTER}\nkey = "@/requester.jwk"\n[[requester]]\nname = "other"\nkey = "@/requester.jwk" #!',
        "the key ",
        "give each its own key",
    ),
]

IDENTITY = [
    broken(
        "neighbours-certificate",
        "CFG-160",
        CERTIFICATE,
        'certificate = "@/neighbour.pem" #!',
        'it names "w04.songjiang-district"',
        '"songjiang-district/w03" or "w03.songjiang-district"',
        "set certificate_name",
    ),
    broken("certificate-of-a-pc", "CFG-160", CERTIFICATE, 'certificate = "@/pc.pem" #!', 'it names "pc-0312"'),
    broken(
        "certificate-of-another-pc",
        "CFG-160",
        CERTIFICATE,
        'certificate = "@/pc.pem" #!\ncertificate_name = "pc-0313"',
        'it names "pc-0312", not "pc-0313"',
    ),
    broken("certificate-damaged", "CFG-152", CERTIFICATE, 'certificate = "@/damaged.pem" #!', "no certificate in PEM"),
    plain("crl-without-tls", "CFG-115", 'url = "mqtt://localhost"\ncrl = "@/crl.pem" #!', "mqtt:// does not use crl"),
    broken("crl-is-the-ca", "CFG-152", URL, f'{URL}\ncrl = "@/ca.pem" #!', "holds no x509 crl in PEM form"),
    plain(
        "name-without-certificate",
        "CFG-115",
        'url = "mqtts://b.example"\ncertificate_name = "pc-0312" #!',
        "certificate_name is given without certificate",
    ),
]

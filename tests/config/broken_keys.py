"""Key files of subscribers that cannot be sealed to, and packages that should seal and cannot."""

from __future__ import annotations

from tests.config.broken import JWK, Broken, broken, keyed

SUBSCRIBER = f'[[subscriber]]\nname = "case-system"\n{JWK}'


def both(name: str, code: str, first: str, second: str, *says: str) -> Broken:
    """Return a configuration with two subscribers that have keys; the second one is wrong."""
    two = f'[[subscriber]]\nname = "a"\nkey = "{first}"\n[[subscriber]]\nname = "b"\nkey = "{second}" #!'
    return broken(name, code, SUBSCRIBER, two, *says)


def sealing(name: str, code: str, lines: str, *says: str) -> Broken:
    """Return a configuration with a table ``[sealing]``."""
    return broken(name, code, "[log]", f"[sealing]\n{lines}\n[log]", *says)


KEYS = [
    keyed("jwk-missing", "@/none.jwk", "CFG-150", "key: ", "No such file"),
    keyed("jwk-not-json", "@/ca.pem", "CFG-152", "holds no public JWK", "get the file from the back office again"),
    keyed("jwk-list", "@/list.jwk", "CFG-152", "wrong: kty, crv, x, y"),
    keyed("jwk-deep", "@/deep.jwk", "CFG-152", "holds no public JWK"),
    keyed("jwk-large", "@/large.jwk", "CFG-150", "it is no ordinary file"),
    keyed("jwk-rsa", "@/rsa.jwk", "CFG-152", "wrong: kty, crv, x, y"),
    keyed("jwk-p384", "@/p384.jwk", "CFG-152", "wrong: crv"),
    keyed("jwk-for-signatures", "@/sign.jwk", "CFG-152", "wrong: use"),
    keyed("jwk-cut-off", "@/short.jwk", "CFG-152", "wrong: y"),
    keyed("jwk-private", "@/private.jwk", "CFG-153", "holds a private key", "make a new key"),
    keyed("jwk-symmetric", "@/secret.jwk", "CFG-153", "holds a private key"),
    keyed("jwk-private-pem", "@/open.key", "CFG-153", "holds a private key"),
    keyed("jwk-set-empty", "@/empty-set.jwk", "CFG-152", "wrong: it is empty"),
    keyed("jwk-set-of-none", "@/odd-set.jwk", "CFG-152", "holds no public JWK"),
    keyed("jwk-set-one-wrong", "@/half-set.jwk", "CFG-152", "wrong: use of key 2, y of key 2"),
    keyed("jwk-set-one-private", "@/private-set.jwk", "CFG-153", "holds a private key", "make a new key"),
    keyed("jwk-kid-number", "@/kid.jwk", "CFG-152", "wrong: kid"),
    keyed("jwk-exp-text", "@/exp.jwk", "CFG-152", "wrong: exp"),
    keyed("jwk-expired", "@/expired.jwk", "CFG-170", "every key in the file has expired", "get a new key file"),
    keyed("jwk-all-expired", "@/expired-set.jwk", "CFG-170", "every key in the file has expired"),
    keyed("jwk-many", "@/many.jwk", "CFG-172", "33 keys to seal every event to, and 32 are allowed"),
    keyed("jwk-one-kid-for-two", "@/one-kid.jwk", "CFG-173", 'two different keys have the kid "2026"'),
    both("subscribers-one-kid", "CFG-173", "@/kid-a.jwk", "@/kid-b.jwk", "keys with ids of their own"),
    broken("jwk-number", "CFG-112", JWK, "key = 1 #!", "key: expected a text, got a value that is not shown"),
    sealing("provider-alone", "CFG-115", 'provider = "sm2" #!', "provider is given without package", "add package"),
    sealing("package-alone", "CFG-115", 'package = "acme" #!', "package is given without provider"),
    sealing(
        "no-such-provider", "CFG-174", 'package = "acme"\nprovider = "sm2" #!', "offers no provider sm2", "install"
    ),
    sealing("provider-number", "CFG-112", 'package = "acme"\nprovider = 1 #!', "provider: expected a text"),
    sealing("sealing-key", "CFG-110", 'pakage = "acme" #!', 'did you mean "package"'),
]

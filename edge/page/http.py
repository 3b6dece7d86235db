"""Just enough HTTP/1.1 to serve a page to the browser of this PC, and to refuse everything else. No I/O.

The page is read-only, but another site that is open in the same browser must not read it either: a request has to
name us as its ``Host`` (against DNS rebinding), and must not come from elsewhere (``Origin``, ``Sec-Fetch-Site``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

HEAD_BYTES = 8192
"""The longest request that is read; there is none with a body."""
END = b"\r\n\r\n"
STATUS = "/status.json"

_STATIC = Path(__file__).parent / "static"
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/words.js": ("words.js", "text/javascript; charset=utf-8"),
    "/draw.js": ("draw.js", "text/javascript; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/favicon.ico": ("favicon.ico", "image/png"),
}
_JSON, _TEXT = "application/json; charset=utf-8", "text/plain; charset=utf-8"
_ALWAYS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "Connection": "close",
}
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}"
_REQUEST = re.compile(rb"(" + _TOKEN + rb") ([!-~]{1,2000}) HTTP/1\.[01]")
_HEADER = re.compile(rb"(" + _TOKEN + rb"):[ \t]*([\t -~\x80-\xff]*)")
_FROM_HERE = (b"same-origin", b"none")  # none: typed, or a bookmark


class Answer(NamedTuple):
    """What is answered; :meth:`lines` are its bytes."""

    status: HTTPStatus
    media_type: str
    body: bytes
    more: Mapping[str, str] = {}

    def lines(self, *, with_body: bool = True) -> bytes:
        """Return the answer as it is sent."""
        fields = {
            "Content-Type": self.media_type,
            "Content-Length": str(len(self.body)),
            **_ALWAYS,
            **self.more,
        }
        head = [f"HTTP/1.1 {self.status.value} {self.status.phrase}", *(f"{name}: {fields[name]}" for name in fields)]
        return "\r\n".join([*head, "", ""]).encode("ascii") + (self.body if with_body else b"")


class Refused(Exception):
    """The request is not answered as it was meant; ``answer`` says why."""

    def __init__(self, status: HTTPStatus, why: str, **more: str) -> None:
        super().__init__(why)
        self.answer = Answer(status, _TEXT, f"{why}\n".encode(), {name.title(): value for name, value in more.items()})


class Asked(NamedTuple):
    """A request that may be answered."""

    path: str
    with_body: bool


def read(head: bytes, port: int) -> Asked:
    """Return what is asked for by *head*, which ends with :data:`END`; raises :class:`Refused`."""
    first, *rest = head.removesuffix(END).split(b"\r\n")
    found = _REQUEST.fullmatch(first)
    if found is None:
        raise Refused(HTTPStatus.BAD_REQUEST, "this is no HTTP request")
    headers = _headers(rest)
    method, path = found.groups()
    if method not in (b"GET", b"HEAD"):
        raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "this page can only be read", allow="GET, HEAD")
    if headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers:
        raise Refused(HTTPStatus.BAD_REQUEST, "a request to read has no body")
    _check_sender(headers, port)
    if path != STATUS.encode() and path.decode("ascii") not in _FILES:
        raise Refused(HTTPStatus.NOT_FOUND, "there is no such page")
    return Asked(path.decode("ascii"), with_body=method == b"GET")


def static() -> Mapping[str, Answer]:
    """Return the files of the page by their paths."""
    return {
        path: Answer(HTTPStatus.OK, media_type, (_STATIC / name).read_bytes())
        for path, (name, media_type) in _FILES.items()
    }


def json(body: bytes) -> Answer:
    """Return the answer to :data:`STATUS`."""
    return Answer(HTTPStatus.OK, _JSON, body)


def _headers(lines: list[bytes]) -> dict[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for line in lines:
        found = _HEADER.fullmatch(line)
        name = found[1].lower() if found else b""
        if found is None or name in headers:  # twice the same header: two readers may take two different ones
            raise Refused(HTTPStatus.BAD_REQUEST, "a header of this request is broken")
        headers[name] = found[2].rstrip(b" \t")
    return headers


def _check_sender(headers: Mapping[bytes, bytes], port: int) -> None:
    hosts = [f"{name}:{port}".encode() for name in ("127.0.0.1", "localhost", "[::1]")]
    if headers.get(b"host", b"").lower() not in hosts:
        why = f"this page is only at http://127.0.0.1:{port}/ of this PC"
        raise Refused(HTTPStatus.MISDIRECTED_REQUEST, why)
    origin = headers.get(b"origin")
    elsewhere = origin is not None and origin.lower() not in [b"http://" + host for host in hosts]
    if elsewhere or headers.get(b"sec-fetch-site", b"none") not in _FROM_HERE:
        raise Refused(HTTPStatus.FORBIDDEN, "another site may not read this page; type its address into the browser")

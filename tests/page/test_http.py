"""What the page answers to whom, without a socket: the browser of this PC, and nobody else."""

from __future__ import annotations

import re
from http import HTTPStatus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.page import http
from edge.page.http import Asked, Refused

PORT = 8630
HOST = b"Host: 127.0.0.1:8630"
OURS = [b"127.0.0.1:8630", b"localhost:8630", b"LOCALHOST:8630", b"[::1]:8630"]
BROWSER = [b"Sec-Fetch-Site: same-origin", b"Accept: */*", b"User-Agent: x", b"Origin: http://127.0.0.1:8630"]


def request(*headers: bytes, first: bytes = b"GET /status.json HTTP/1.1") -> bytes:
    return b"\r\n".join([first, *headers, b"", b""])


def refused(head: bytes) -> HTTPStatus | None:
    try:
        http.read(head, PORT)
    except Refused as error:
        return error.answer.status
    return None


@pytest.mark.parametrize("host", OURS)
def test_a_browser_of_this_pc_is_answered(host: bytes) -> None:
    head = request(b"Host: " + host, b"Origin: http://" + host, *BROWSER[:3])
    assert http.read(head, PORT) == Asked("/status.json", with_body=True)


@pytest.mark.parametrize("path", ["/", "/page.css", "/words.js", "/draw.js", "/page.js", "/favicon.ico"])
def test_every_file_of_the_page_is_there_and_in_the_package(path: str) -> None:
    assert http.read(request(HOST, first=f"HEAD {path} HTTP/1.1".encode()), PORT) == Asked(path, with_body=False)
    answer = http.static()[path]
    assert answer.status is HTTPStatus.OK
    assert len(answer.body) > 50
    assert not answer.lines(with_body=False).endswith(answer.body)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (request(), 421),
        (request(b"Host: evil.example:8630"), 421),
        (request(b"Host: 127.0.0.1:8631"), 421),
        (request(b"Host: 127.0.0.1"), 421),
        (request(b"Host: localhost.evil.example:8630"), 421),
        (request(b"Host: localhost:8630@evil.example"), 421),
        (request(HOST, b"Origin: http://evil.example"), 403),
        (request(HOST, b"Origin: null"), 403),
        (request(HOST, b"Origin: https://127.0.0.1:8630"), 403),
        (request(HOST, b"Origin: http://127.0.0.1:9000"), 403),
        (request(HOST, b"Sec-Fetch-Site: cross-site"), 403),
        (request(HOST, b"Sec-Fetch-Site: same-site"), 403),
        (request(HOST, HOST), 400),
        (request(HOST, b"Content-Length: 5"), 400),
        (request(HOST, b"Transfer-Encoding: chunked"), 400),
        (request(HOST, b" folded"), 400),
        (request(HOST, b"A : b"), 400),
        (request(HOST, b"A: b\0"), 400),
        (request(HOST, b"A: b\nC: d"), 400),
        (request(HOST, first=b"GET / HTTP/2.0"), 400),
        (request(HOST, first=b"GET  / HTTP/1.1"), 400),
        (request(HOST, first=b"GET /\xff HTTP/1.1"), 400),
        (request(HOST, first=b"\x16\x03\x01\x02\x00"), 400),
        (request(HOST, first=b"POST /status.json HTTP/1.1"), 405),
        (request(HOST, first=b"OPTIONS * HTTP/1.1"), 405),
        (request(HOST, first=b"get / HTTP/1.1"), 405),
        (request(HOST, first=b"GET /status.json?x HTTP/1.1"), 404),
        (request(HOST, first=b"GET /../http.py HTTP/1.1"), 404),
        (request(HOST, first=b"GET /index.html HTTP/1.1"), 404),
        (request(HOST, first=b"GET //page.js HTTP/1.1"), 404),
        (request(HOST, first=b"GET http://127.0.0.1:8630/ HTTP/1.1"), 404),
    ],
)
def test_everybody_else_is_refused(head: bytes, status: int) -> None:
    assert refused(head) == status


def test_a_refusal_says_why_and_what_is_allowed() -> None:
    with pytest.raises(Refused) as caught:
        http.read(request(HOST, first=b"DELETE / HTTP/1.1"), PORT)
    said = caught.value.answer.lines()
    assert said.startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")
    assert b"\r\nAllow: GET, HEAD\r\n" in said
    assert said.endswith(b"\r\n\r\nthis page can only be read\n")


@pytest.mark.parametrize(
    "answer", [*http.static().values(), http.json(b"{}"), Refused(HTTPStatus.NOT_FOUND, "no").answer]
)
def test_nothing_is_framed_sniffed_kept_or_fetched_from_elsewhere(answer: http.Answer) -> None:
    head = answer.lines().partition(b"\r\n\r\n")[0].decode("ascii").lower()
    fields = dict(line.split(": ", 1) for line in head.splitlines()[1:])
    policy = dict(part.strip().split(" ", 1) for part in fields["content-security-policy"].split(";"))
    assert policy.pop("default-src") == policy.pop("frame-ancestors") == "'none'"
    assert set(policy.values()) <= {"'self'", "'none'"}
    assert (fields["x-content-type-options"], fields["referrer-policy"]) == ("nosniff", "no-referrer")
    assert (fields["cache-control"], fields["x-frame-options"]) == ("no-store", "deny")
    assert not [name for name in fields if name.startswith("access-control-")]


TOKENS = st.sampled_from(
    [b"GET", b"HEAD", b"POST", b" ", b"/", b"/status.json", b"HTTP/1.1", b"\r\n", b"\n", b"\r", b":", b"Host: ", b"\0",
     b"127.0.0.1:8630", b"[::1]:8630", b"Origin: ", b"http://evil.example", b"Content-Length: 9", b"\xff", b"a" * 300]
)  # fmt: skip


@given(st.lists(TOKENS | st.binary(max_size=8), max_size=30).map(b"".join))
@example(request(HOST).removesuffix(http.END))
@example(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8630\r\nOrigin: http://127.0.0.1:8630")
def test_whatever_bytes_come_they_are_refused_or_are_a_request_of_ours(text: bytes) -> None:
    head = text.partition(http.END)[0] + http.END
    if (status := refused(head)) is not None:
        assert status in (400, 403, 404, 405, 421)
        return
    asked = http.read(head, PORT)
    assert re.match(rb"(GET|HEAD) /[a-z.]* HTTP/1\.[01]\r\n", head)
    assert re.search(rb"\r\nHost:[ \t]*(127\.0\.0\.1|localhost|\[::1\]):8630[ \t]*\r\n", head, re.IGNORECASE)
    assert asked.path in ("/status.json", *http.static())

"""Why a network camera's stream cannot be opened: OpenCV does not say, so the camera is asked once more."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

from drivers import _camera_problems as problems

_REFUSED, _BUSY = (401, 403), (423, 429, 503)


def why_not(url: str, where: str, timeout_s: float) -> Exception:
    """Return the error that tells why *url* gives no pictures; *where* is the address as it may be shown."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=timeout_s)
    try:
        connection.request("GET", f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}")
        answer = connection.getresponse()
    except TimeoutError:
        return problems.silent(where, timeout_s)
    except OSError:
        return problems.absent(where)
    except http.client.HTTPException:
        return problems.no_pictures(where, "no HTTP")
    else:
        return _meaning(answer, where, timeout_s)
    finally:
        connection.close()


def _meaning(answer: http.client.HTTPResponse, where: str, timeout_s: float) -> Exception:
    """Return what the head of an answer says."""
    kind = (answer.getheader("Content-Type") or "").split(";")[0]
    if answer.status in _REFUSED:
        return problems.refused(where, answer.status)
    if answer.status in _BUSY:
        return problems.taken(where, answer.status)
    if answer.status != http.client.OK:
        return problems.no_pictures(where, f"HTTP {answer.status}")
    if "multipart" in kind or "jpeg" in kind:
        return problems.silent(where, timeout_s)
    return problems.no_pictures(where, "another kind of data")

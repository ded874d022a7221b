"""Answers are sent compressed to those who take gzip: pages are mostly markup, and come to a tenth of it.

What must not be found out by an answer's length is masked (web/csrf.py); a secret that is shown once is in no answer
that can be asked for again. Sockets are not compressed.
"""

import gzip
from functools import lru_cache

from flask import Flask, Response, request

_LEAST_BYTES = 500  # less comes in one packet anyway
_MOST_BYTES = 8 * 1024 * 1024
# Level 6 takes half as long again for pages that are 3 percent smaller.
_LEVEL, _FILE_LEVEL = 4, 9
_TYPES = frozenset(
    {
        "application/json",
        "application/manifest+json",
        "application/rss+xml",
        "application/atom+xml",
        "application/xml",
        "image/svg+xml",
        "text/css",
        "text/csv",
        "text/html",
        "text/javascript",
        "text/plain",
    }
)
_FILES = 64


def install(app: Flask) -> None:
    """Compress what ``app`` answers. Installed before others, so that it sees answers as they are sent."""
    app.after_request(_compress)


def _compress(response: Response) -> Response:
    if response.mimetype not in _TYPES or response.is_streamed and not response.direct_passthrough:
        return response
    response.vary.add("Accept-Encoding")
    if not _may(response):
        return response
    mark = response.get_etag()[0]
    response.direct_passthrough = False  # a file: read it, once for all who ask for the same
    body = response.get_data()
    if not _LEAST_BYTES <= len(body) <= _MOST_BYTES:
        return response
    is_file = mark is not None and request.endpoint is not None and request.endpoint.startswith("assets.")
    response.set_data(_of_a_file(body) if is_file else gzip.compress(body, _LEVEL, mtime=0))
    response.content_encoding = "gzip"
    if mark is not None:  # the same content in other bytes
        response.set_etag(mark, weak=True)
    return response


def _may(response: Response) -> bool:
    return (
        response.status_code not in (204, 206, 304)
        and request.method != "HEAD"
        and response.content_encoding is None
        and request.accept_encodings.quality("gzip") > 0
    )


@lru_cache(_FILES)
def _of_a_file(body: bytes) -> bytes:
    return gzip.compress(body, _FILE_LEVEL, mtime=0)

"""The one shape of a heartbeat that is answered without the application; whatever differs is none."""

import json
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from podhealth.core.errors import InputError
from podhealth.core.heartbeat import Report, parse_report
from podhealth.web.agents.plain import Plain, may_be_plain, plain_of
from podhealth.web.api.body import json_fields

BODY = b'{"bootId": "b"}'
WHOLE = (
    b"POST /api/heartbeats HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer t\r\n"
    b"Content-Type: application/json; charset=utf-8\r\nContent-Length: 15\r\n\r\n" + BODY
)
BARE = b"POST /api/heartbeats HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer t\r\n\r\n"


@pytest.mark.parametrize(("data", "body"), [(WHOLE, BODY), (BARE, b"")], ids=["with a body", "without"])
def test_a_whole_heartbeat_is_taken(data, body):
    assert plain_of(data) == Plain("Bearer t", body)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"POST", b"PUT"),
        (b"POST ", b"POST  "),
        (b"heartbeats", b"heartbeats/"),
        (b"heartbeats", b"heartbeats?a=1"),
        (b"/api", b"//api"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"Host: h\r\n", b""),
        (b"Authorization: Bearer t\r\n", b""),
        (b"Authorization:", b"Authorization :"),
        (b"Authorization: Bearer t\r\n", b"Authorization: Bearer t\r\nauthorization: Bearer u\r\n"),
        (b"Host: h", b"Host: h\r\n folded: x"),
        (b"Host: h", b"Host: h\nX: y"),
        (b"Host: h", b"Host: h\rX: y"),
        (b"Host: h", b"Host: h\r\nTransfer-Encoding: chunked"),
        (b"Host: h", b"Host: h\r\nExpect: 100-continue"),
        (b"Host: h", b"Host: h\r\nUpgrade: h2c"),
        (b"Host: h", b"Host: h\r\nbroken"),
        (b"Host: h", b"Host: h\r\n: empty"),
        (b"Content-Length: 15", b"Content-Length: 14"),
        (b"Content-Length: 15", b"Content-Length: 16"),
        (b"Content-Length: 15", b"Content-Length: +15"),
        (b"Content-Length: 15", b"Content-Length: 000015"),
        (b"Content-Length: 15", b"Content-Length: 15\r\nContent-Length: 15"),
        (b"Content-Length: 15\r\n", b""),
        (b"application/json", b"text/plain"),
        (BODY, BODY + b"POST /pods HTTP/1.1\r\n"),
        (BODY, BODY[:-1]),
        (b"\r\n\r\n", b"\r\n"),
        (b"15\r\n\r\n" + BODY, b"9000\r\n\r\n" + b"x" * 9000),
    ],
)
def test_whatever_differs_takes_the_way_of_all_requests(old, new):
    assert old in WHOLE
    assert plain_of(WHOLE.replace(old, new, 1)) is None


def test_a_beginning_is_known_before_all_has_come():
    assert [may_be_plain(data) for data in (WHOLE[:31], WHOLE[:30], b"GET / HTTP/1.1\r\n")] == [True, False, False]


HEAD = b"POST /api/heartbeats HTTP/1.1\r\n"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
NAMES = st.sampled_from(["bootId", "periodSeconds", "signal", "exitCode", "sequence", "metrics"]) | st.text()


@given(st.binary(max_size=300) | st.binary(max_size=300).map(HEAD.__add__))
def test_no_bytes_break_the_reading(data):
    assert plain_of(data) is None or data.startswith(HEAD)


@settings(max_examples=50)
@given(st.binary(max_size=100) | st.dictionaries(NAMES, VALUES, max_size=4).map(lambda d: json.dumps(d).encode()))
@example(b'{"metrics": {"load1": 1e400}}')
@example(b"[" * 5000)
def test_a_body_is_understood_or_refused(body):
    with suppress(InputError):
        assert isinstance(parse_report(json_fields(body)), Report)

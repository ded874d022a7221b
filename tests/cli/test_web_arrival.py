"""When a request is whole: to the byte, whatever pieces it comes in, and never more kept than a page's form needs."""

import pytest

from podhealth.cli.web_arrival import BODY_WITHIN_S, HEAD_WITHIN_S, Arrival
from podhealth.web.lengths import MAX_BODY

GET = b"GET /pods HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST /sign-in HTTP/1.1\r\nHost: h\r\n"
CHUNKS = POST + b"Transfer-Encoding: chunked\r\n\r\n"
WHOLE = {
    "no body": GET,
    "after empty lines": b"\r\n\r\n" + GET,
    "a length": POST + b"Content-Length: 3\r\n\r\nabc",
    "a length in other letters": POST + b"content-LENGTH: \t3 \r\n\r\nabc",
    "a length of none": POST + b"Content-Length: 0\r\n\r\n",
    "chunks": CHUNKS + b"1\r\na\r\n2;x=y\r\nbc\r\n0\r\n\r\n",
    "chunks and trailers": CHUNKS + b"A\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
    "chunks of blank lines": CHUNKS + b"4\r\n\r\n\r\n\r\n0\r\n\r\n",
}
# Whoever reads these says what is wrong with them; waiting for more would tell nobody anything.
NO_CHUNKS = {
    "no number": CHUNKS + b"x\r\n",
    "a sign": CHUNKS + b"-1\r\n",
    "a base": CHUNKS + b"0x1\r\n",
    "a line without end": CHUNKS + b"1" * 300,
}


def _arrived(data: bytes, piece: int) -> Arrival:
    arrival = Arrival(now=0.0)
    for at in range(0, len(data), piece):
        arrival.add(data[at : at + piece], now=1.0)
    return arrival


@pytest.mark.parametrize("name", WHOLE)
def test_a_request_is_whole_with_its_last_byte_and_not_before(name: str) -> None:
    data = WHOLE[name]

    for piece in (1, 7, len(data)):
        whole, short = _arrived(data, piece), _arrived(data[:-1], piece)
        assert (whole.is_whole, whole.is_ready, whole.refusal) == (True, True, None)
        assert (short.is_whole, short.is_ready, short.refusal) == (False, False, None)
        assert bytes(whole.data) == data.lstrip(b"\r\n")


@pytest.mark.parametrize("name", NO_CHUNKS)
def test_what_are_no_chunks_is_handed_on_at_once(name: str) -> None:
    arrival = _arrived(NO_CHUNKS[name], 1)

    assert (arrival.is_ready, arrival.is_whole) == (True, False)


def test_what_begins_the_next_request_is_handed_on_too() -> None:
    assert bytes(_arrived(GET + GET, 1_000).data) == GET + GET


@pytest.mark.parametrize(
    ("data", "refusal"),
    [
        (b"GET /" + b"a" * 70_000, 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000, 431),
        (CHUNKS + b"0\r\n" + b"X: y\r\n" * 1_000, 431),
        (CHUNKS + b"1\r\na\r\n" * 60_000, None),
        (CHUNKS + (b"1;" + b"x" * 200 + b"\r\na\r\n") * 3_000, 413),
    ],
)
def test_what_has_no_measure_is_refused_while_it_comes(data: bytes, refusal: int | None) -> None:
    arrival = _arrived(data, 10_000)

    assert (arrival.refusal, arrival.is_ready) == (refusal, False)


@pytest.mark.parametrize(
    "data",
    [
        POST + b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1),
        CHUNKS + b"%x\r\n" % (2 * MAX_BODY) + b"x" * (MAX_BODY + 1),
        CHUNKS + (b"1000\r\n" + b"x" * 4096 + b"\r\n") * 16 + b"2\r\nx",
    ],
)
def test_a_body_longer_than_any_form_is_kept_for_nobody_who_is_not_known(data: bytes) -> None:
    arrival = _arrived(data, 10_000)

    assert (arrival.is_ready, arrival.is_whole) == (True, False)
    assert not _arrived(data[:-1], 10_000).is_ready


def test_a_head_has_ten_seconds_and_its_body_half_a_minute_more() -> None:
    arrival = Arrival(now=5.0)
    arrival.add(POST, now=9.0)
    assert arrival.until == 5.0 + HEAD_WITHIN_S

    arrival.add(b"Content-Length: 2\r\n\r\n", now=12.0)
    arrival.add(b"a", now=20.0)
    assert arrival.until == 12.0 + BODY_WITHIN_S


def test_who_waits_for_the_word_to_go_on_is_given_it_once() -> None:
    head = POST + b"Content-Length: 2\r\n"
    arrival = _arrived(head + b"Expect: 100-continue\r\n\r\n", 1_000)
    assert (arrival.wants_word, arrival.is_ready) == (True, False)

    arrival.be_told()
    arrival.add(b"ab", now=2.0)

    assert (arrival.wants_word, arrival.is_whole) == (False, True)
    assert bytes(arrival.data) == head + b"\r\nab"

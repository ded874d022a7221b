"""The thread that owns the sockets: it waits for none of them, and bears nonsense from any of them."""

import socket
import struct

import pytest
from wsproto.frame_protocol import CloseReason

from podhealth.live import wire as wires
from podhealth.live.frames import MAX_MESSAGE_BYTES, Frame, encode
from podhealth.live.wire import ACCESS_ENDED, Link, Wire
from tests.support.browsers import Browser
from tests.support.wait import wait_for

BEAT = encode(Frame(0, 1, 2))
BIG = encode(Frame(0, 1, 2, elements=['"' + "x" * 60_000 + '"']))


class Ears:
    def __init__(self):
        self.heard: list[str] = []
        self.gone: list[Link] = []

    def on_message(self, link, text):
        self.heard.append(text)

    def on_gone(self, link):
        self.gone.append(link)


@pytest.fixture
def ears():
    return Ears()


@pytest.fixture
def wire(ears, monkeypatch):
    monkeypatch.setattr(wires, "_SWEEP_EVERY_S", 0.05)
    wire = Wire(ears)
    wire.start()
    yield wire
    wire.stop()


@pytest.fixture
def open_link(wire):
    browsers = []

    def opening():
        near, far = socket.socketpair()
        link = Link(near, 1, "session")
        wire.add(link)
        browsers.append(Browser(far))
        return link, browsers[-1]

    yield opening
    for browser in browsers:
        browser.close()


def test_a_frame_reaches_all_it_is_sent_to_and_nobody_else(wire, open_link):
    (first, her), (second, his), (_, other) = open_link(), open_link(), open_link()

    wire.send((first, second), BEAT)
    wire.close([first, second], ACCESS_ENDED)

    assert [her.until_closed(), his.until_closed()] == [ACCESS_ENDED, ACCESS_ENDED]
    assert [len(her.frames), len(his.frames), len(other.frames)] == [1, 1, 0]


def test_a_message_is_heard_whole_however_it_was_cut(ears, open_link):
    _, browser = open_link()
    frame = browser._protocol._proto.send_data('{"seq": 1}', fin=True)

    for byte in bytes(frame):
        browser.sock.sendall(bytes([byte]))

    wait_for(lambda: ears.heard == ['{"seq": 1}'])


@pytest.mark.fault("F80")
def test_one_who_does_not_read_is_closed_and_delays_nobody(wire, ears, open_link, monkeypatch):
    monkeypatch.setattr(wires, "SEND_WITHIN_S", 0.2)
    (stuck, _), (link, browser) = open_link(), open_link()

    for _ in range(100):
        wire.send((stuck, link), BIG)
        browser.until(lambda b: len(b.frames) > 0)
        browser.frames.clear()

    wait_for(lambda: stuck.fd < 0, what="the stuck socket closed")
    assert ears.gone == [stuck]


@pytest.mark.fault("F80")
def test_what_waits_for_one_who_does_not_read_is_bounded(wire, open_link):
    stuck, _ = open_link()
    _, browser = other = open_link()

    for _ in range(200):
        wire.send((stuck,), BIG)
    wire.send((other[0],), BEAT)
    browser.until_seq(1)

    assert stuck.waiting_bytes <= 2 * 1024 * 1024


def test_a_slow_reader_gets_whole_frames_only(wire, open_link):
    slow, browser = open_link()
    for _ in range(100):
        wire.send((slow,), BIG)

    browser.until(lambda b: len(b.frames) >= 30)

    assert {len(frame["elements"][0]) for frame in browser.frames} == {60_000}


@pytest.mark.parametrize(
    ("nonsense", "code"),
    [
        (lambda b: b.send("x" * (MAX_MESSAGE_BYTES + 1)), CloseReason.MESSAGE_TOO_BIG),
        (lambda b: b.send_binary(b"x"), CloseReason.UNSUPPORTED_DATA),
        (lambda b: [b.send("{}") for _ in range(60)], CloseReason.POLICY_VIOLATION),
        (lambda b: b.sock.sendall(b"\x89\x80\0\0\0\0" * 60), CloseReason.POLICY_VIOLATION),
        (lambda b: b.sock.sendall(b"\x01\x81\0\0\0\0x" + b"\x00\x81\0\0\0\0x" * 60), CloseReason.POLICY_VIOLATION),
        (lambda b: b.sock.sendall(b"\x81\xff" + struct.pack("!Q", 60_000_000) + b"\0\0\0\0" + b"x" * 9000), 1009),
        (lambda b: b.sock.sendall(b"\x81\x82\0\0\0\0\xff\xff"), CloseReason.INVALID_FRAME_PAYLOAD_DATA),
        (lambda b: b.sock.sendall(b"\x81\x01x"), CloseReason.PROTOCOL_ERROR),
        (lambda b: b.sock.sendall(b"\xc1\x81\0\0\0\0x"), CloseReason.PROTOCOL_ERROR),
        (lambda b: b.sock.sendall(b"\x83\x81\0\0\0\0x"), CloseReason.PROTOCOL_ERROR),
        (lambda b: b.sock.sendall(b"\x89\xfe\x00\xc8\0\0\0\0" + b"x" * 200), CloseReason.PROTOCOL_ERROR),
        (lambda b: b.sock.sendall(b"\x00\x81\0\0\0\0x"), CloseReason.PROTOCOL_ERROR),
    ],
    ids=[
        "too big",
        "binary",
        "too many messages",
        "ping flood",
        "one-byte fragments",
        "60 MB announced",
        "no UTF-8",
        "not masked",
        "compressed",
        "unknown kind",
        "long ping",
        "continues nothing",
    ],
)
@pytest.mark.attack("A33")
@pytest.mark.fault("F81")
def test_nonsense_closes_its_own_socket_with_the_right_code(wire, ears, open_link, nonsense, code):
    (link, browser), (other, untouched) = open_link(), open_link()

    nonsense(browser)

    assert browser.until_closed() == code
    wait_for(lambda: ears.gone == [link])
    wire.send((other,), BEAT)
    assert untouched.until_seq(1)


def test_one_who_closes_is_answered_and_forgotten(ears, open_link):
    link, browser = open_link()

    browser.sock.sendall(b"\x88\x82\0\0\0\0" + struct.pack("!H", 1000))

    assert browser.until_closed() == CloseReason.NORMAL_CLOSURE
    wait_for(lambda: ears.gone == [link] and link.fd < 0)


def test_one_who_hangs_up_is_forgotten(ears, open_link):
    link, browser = open_link()

    browser.close()

    wait_for(lambda: ears.gone == [link] and link.fd < 0)


def test_a_quiet_one_is_asked_and_stays_while_it_answers(open_link, monkeypatch):
    monkeypatch.setattr(wires, "PING_AFTER_S", 0.1)
    monkeypatch.setattr(wires, "PONG_WITHIN_S", 0.5)
    link, browser = open_link()

    browser.until(lambda b: b.pings >= 2, within_s=10)

    assert link.fd >= 0


@pytest.mark.fault("F83")
def test_one_who_answers_no_ping_is_closed(ears, open_link, monkeypatch):
    monkeypatch.setattr(wires, "PING_AFTER_S", 0.1)
    monkeypatch.setattr(wires, "PONG_WITHIN_S", 0.3)
    link, _ = open_link()

    wait_for(lambda: ears.gone == [link] and link.fd < 0, within_s=10)


def test_stopping_tells_all_that_this_server_goes_away(ears):
    wire = Wire(ears)
    wire.start()
    near, far = socket.socketpair()
    wire.add(Link(near, 1, "session"))

    wire.stop()

    assert Browser(far).until_closed() == CloseReason.GOING_AWAY
    far.close()

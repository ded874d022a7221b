"""Answers that their readers do not take: nobody waits for them, and no reader has more than his share."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from podhealth.cli import web_outgoing
from podhealth.cli.web_outgoing import SLOWEST_BYTES_S, Outgoing, Room

MIB = 1 << 20


class Time:
    """A clock that goes on by so many seconds with each look."""

    def __init__(self, step_s: float = 0.0) -> None:
        self.now, self.step_s = 0.0, step_s

    def __call__(self) -> float:
        self.now += self.step_s
        return self.now


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(10)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 200_000))
    with closing(theirs):
        yield ours, theirs


def drained(outgoing: Outgoing, theirs: socket.socket, size: int) -> bytes:
    got = bytearray()
    while len(got) < size:
        got += theirs.recv(MIB)
        outgoing.flush()
    return bytes(got)


def test_what_the_kernel_does_not_take_waits_and_leaves_in_its_order(pair) -> None:
    outgoing = Outgoing(pair[0], Room(4 * MIB, 1), Time())
    data = bytes(range(256)) * 4096
    with closing(outgoing):
        outgoing.sendall(data)
        outgoing.sendall(b"the end")
        waited = outgoing.waits
        got = drained(outgoing, pair[1], len(data) + 7)

        assert 0 < waited < len(data)
        assert got == data + b"the end"
        assert outgoing.waits == 0


def test_room_comes_back_when_it_leaves_and_when_the_connection_ends(pair) -> None:
    room = Room(2 * MIB, 1)
    outgoing = Outgoing(pair[0], room, Time())
    outgoing.sendall(b"x" * MIB)
    drained(outgoing, pair[1], MIB)
    came_back = room.take(2 * MIB)
    room.give(2 * MIB)
    outgoing.sendall(b"x" * MIB)
    outgoing.close()

    assert came_back
    assert room.take(2 * MIB)


@pytest.mark.parametrize(("step_s", "is_taken"), [(0.1, True), (3.0, False)], ids=["keeps pace", "too slow"])
def test_an_answer_too_long_to_wait_is_sent_as_long_as_its_reader_keeps_pace(pair, step_s: float, is_taken) -> None:
    room = Room(0, 1)
    data = b"x" * (40 * SLOWEST_BYTES_S)
    got = bytearray()

    def read() -> None:
        while more := pair[1].recv(MIB):
            got.extend(more)

    reader = threading.Thread(target=read)
    reader.start()
    # Each piece takes one step by the clock; twenty seconds and one for each of the slowest reader's are his.
    with closing(Outgoing(pair[0], room, Time(step_s))) as outgoing:
        if is_taken:
            outgoing.sendall(data)
        else:
            with pytest.raises(ConnectionResetError, match="slowly"):
                outgoing.sendall(data)
    reader.join(10)

    assert (len(got) == len(data)) == is_taken
    assert room.begin_waiting(), "the thread that waited may wait again"


def test_of_many_readers_few_are_waited_for(pair) -> None:
    room = Room(0, 1)
    room.begin_waiting()
    with (
        closing(Outgoing(pair[0], room, Time(30.0))) as outgoing,
        pytest.raises(ConnectionResetError, match="too many"),
    ):
        outgoing.sendall(b"x" * (2 * MIB))


def test_one_answer_keeps_no_more_than_its_share(pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_outgoing, "MOST_OF_ONE", MIB)
    with closing(Outgoing(pair[0], Room(100 * MIB, 0), Time())) as outgoing:
        outgoing.sendall(b"x" * MIB)
        with pytest.raises(ConnectionResetError, match="too many"):
            outgoing.sendall(b"x" * MIB)


def test_who_takes_what_waits_has_time_for_it(pair) -> None:
    with closing(Outgoing(pair[0], Room(4 * MIB, 1), Time())) as outgoing:
        outgoing.sendall(b"x" * (2 * MIB))
        assert outgoing.patience_s == pytest.approx(20 + outgoing.waits / SLOWEST_BYTES_S)

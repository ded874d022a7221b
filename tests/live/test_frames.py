"""The bytes of a frame, and what a browser may say."""

import json

import pytest
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import TextMessage

from podhealth.core.errors import InputError
from podhealth.live.frames import Frame, Shown, Watch, encode, parse_watch


def told(frame: Frame) -> dict[str, object]:
    browser = Connection(ConnectionType.CLIENT, extensions=[])
    browser.receive_data(encode(frame))
    return json.loads("".join(event.data for event in browser.events() if isinstance(event, TextMessage)))


def test_a_beat_says_how_far_the_page_has_come_and_what_time_it_is():
    assert told(Frame(11, 12, 1764000000000)) == {"from": 11, "seq": 12, "now": 1764000000000}


def test_a_frame_carries_fragments_whole_and_unchanged():
    html = '<li id="a">"quoted" <b>&amp;</b> ✓\n</li>'

    assert told(Frame(1, 2, 3, elements=[json.dumps(html)]))["elements"] == [html]


def test_a_frame_names_what_is_gone_what_is_new_and_what_must_be_loaded_anew():
    frame = Frame(1, 2, 3, (), ["pod-card-7"], [{"text": "web-1 is down"}], is_list_changed=True, is_reload=True)

    assert told(frame) == {
        "from": 1,
        "seq": 2,
        "now": 3,
        "gone": ["pod-card-7"],
        "toasts": [{"text": "web-1 is down"}],
        "list": True,
        "reload": True,
    }


def test_a_browser_says_what_it_shows():
    watch = parse_watch('{"seq": 12, "cards": [1, 2], "rows": [3], "page": 4, "counts": true}')

    assert watch == Watch(12, Shown(frozenset({1, 2}), frozenset({3}), 4, True))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12",
        "null",
        "[]",
        "{}",
        '{"cards": []}',
        '{"seq": true}',
        '{"seq": 1.5}',
        '{"seq": "1"}',
        '{"seq": -1}',
        '{"seq": 9223372036854775808}',
        '{"seq": 1, "tenant": 2}',
        '{"seq": 1, "cards": 7}',
        '{"seq": 1, "cards": ["*"]}',
        '{"seq": 1, "cards": [true]}',
        '{"seq": 1, "rows": [[1]]}',
        '{"seq": 1, "page": "7"}',
        '{"seq": 1, "counts": 1}',
        '{"seq": NaN}',
        '{"seq": 1, "cards": [' + ",".join(["1"] * 201) + "]}",
        "[" * 4000,
        '{"a":' * 800,
    ],
)
def test_what_our_pages_never_say_is_refused(text):
    with pytest.raises(InputError):
        parse_watch(text)

"""The bytes of a frame, and what a browser may say."""

import json

import pytest
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import TextMessage

from podhealth.core.errors import InputError
from podhealth.live.frames import MAX_MESSAGE_BYTES, Frame, Key, Watch, encode, parse_watch
from podhealth.live.parts import ALL


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
    frame = Frame(
        1, 2, 3, (), ["pod-card-7"], ["switches"], [{"text": "web-1 is down"}], is_list_changed=True, is_reload=True
    )

    assert told(frame) == {
        "from": 1,
        "seq": 2,
        "now": 3,
        "gone": ["pod-card-7"],
        "stale": ["switches"],
        "toasts": [{"text": "web-1 is down"}],
        "list": True,
        "reload": True,
    }


def test_a_browser_says_what_it_shows():
    watch = parse_watch('{"seq": 12, "parts": {"card": [1, 2, 2], "page": [4], "counts": [0], "row": []}}', ALL)

    assert watch == Watch(12, frozenset({Key("card", 1), Key("card", 2), Key("page", 4), Key("counts", 0)}))


def test_a_list_of_200_and_what_stands_beside_it_fit_in_one_message():
    rows = list(range(2**40, 2**40 + 200))
    text = json.dumps({"seq": 2**60, "parts": {"row": rows, **{name: [0] for name in ALL if name != "row"}}})

    assert len(text) < MAX_MESSAGE_BYTES
    assert len(parse_watch(text, ALL).shown) == 200 + len(ALL) - 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12",
        "null",
        "[]",
        "{}",
        '{"seq": 1}',
        '{"parts": {}}',
        '{"seq": true, "parts": {}}',
        '{"seq": 1.5, "parts": {}}',
        '{"seq": "1", "parts": {}}',
        '{"seq": -1, "parts": {}}',
        '{"seq": 9223372036854775808, "parts": {}}',
        '{"seq": NaN, "parts": {}}',
        '{"seq": 1, "parts": {}, "tenant": 2}',
        '{"seq": 1, "parts": null}',
        '{"seq": 1, "parts": [7]}',
        '{"seq": 1, "parts": {"cards": [7]}}',
        '{"seq": 1, "parts": {"card": 7}}',
        '{"seq": 1, "parts": {"card": {"7": 8}}}',
        '{"seq": 1, "parts": {"card": ["*"]}}',
        '{"seq": 1, "parts": {"card": [true]}}',
        '{"seq": 1, "parts": {"card": [-1]}}',
        '{"seq": 1, "parts": {"row": [[1]]}}',
        '{"seq": 1, "parts": {"page": ["7"]}}',
        '{"seq": 1, "parts": {"card": [' + ",".join(["1"] * 401) + "]}}",
        '{"seq": 1, "parts": {"card": [' + ",".join(["1"] * 201) + '], "row": [' + ",".join(["1"] * 200) + "]}}",
        "[" * 4000,
        '{"a":' * 800,
    ],
)
@pytest.mark.attack("A33")
def test_what_our_pages_never_say_is_refused(text):
    with pytest.raises(InputError):
        parse_watch(text, ALL)

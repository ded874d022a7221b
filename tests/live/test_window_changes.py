"""A changed maintenance window makes old what stands on each page, so that the list of windows loads itself anew."""

from podhealth import clock
from podhealth.core.words import FeedKind
from podhealth.live.frames import Key
from podhealth.live.parts import ALL
from podhealth.live.views import touched
from podhealth.store.feed import FeedRow


def test_a_changed_window_touches_its_row_and_the_counts_in_the_head_and_no_pod() -> None:
    row = FeedRow(7, clock.utcnow(), FeedKind.WINDOW, None, 3, {"text": "it has begun", "tone": "neutral"})

    found = touched([row], frozenset(Key(name, 3 * (name != "nav")) for name in ALL))

    assert found.keys == {Key("nav", 0), Key("window_row", 3)}
    assert not found.is_list_changed
    assert [toast["text"] for toast in found.toasts] == ["it has begun"]

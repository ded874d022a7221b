"""How scenarios write lengths and bounds."""

import pytest

from podhealth.simulator.lengths import US, _parse_bound, length_text, parse_length


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("2m", 120), ("1h30m", 5_400), ("3d", 259_200), ("1.5h", 5_400), (7, 7), (0, 0)]
)
def test_a_length_is_read(text: object, seconds: float) -> None:
    assert parse_length(text) == seconds * US


@pytest.mark.parametrize("text", ["", "soon", "-3s", "3 weeks", "1h30", None, True, -1])
def test_what_is_no_length_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="is no length"):
        parse_length(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59, "59s"), (60, "1m"), (95, "1m35s"), (3_600, "1h"), (90_000, "1d1h")]
)
def test_a_length_is_told_in_two_units(seconds: int, text: str) -> None:
    assert length_text(seconds * US) == text


@pytest.mark.parametrize(
    ("text", "within", "outside"),
    [("4", 4, 5), (4, 4, 3), ("<= 6", 6, 7), (">= 1", 1, 0), ("4..6", 5, 7), ("4 .. 6", 4, 3)],
)
def test_a_bound_is_read(text: object, within: float, outside: float) -> None:
    bound = _parse_bound(text, is_length=False)

    assert bound.holds(within)
    assert not bound.holds(outside)


@pytest.mark.parametrize("text", ["", "few", "< 3", "4-6", True, None, "1.5"])
def test_what_is_no_bound_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="is no bound"):
        _parse_bound(text, is_length=False)

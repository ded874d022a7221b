"""YAML from outside: what is plain is read as it stands, all else is refused with its line."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from podhealth.declared.faults import FileError
from podhealth.declared.reading import LARGEST, read_yaml
from podhealth.declared.writing import as_yaml

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
)


def refused(text, **options):
    with pytest.raises(FileError) as raised:
        read_yaml(text, **options)
    return str(raised.value.faults[0])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2", "line 2: a: is given twice"),
        ("a: &x 1\nb: 2", "line 1: a: must not use anchors and aliases"),
        ("b: *x", "line 1: b: must not use anchors and aliases"),
        ("a: 1\nb: !!python/object:os.system x", "line 2: b: must not use tags"),
        ("a: !!str 1", "line 1: a: must not use tags"),
        ("--- 1\n--- 2", "line 2: file: must be one document"),
        ("a: 1\n b: [", "line 2: file: is no valid YAML"),
        ("? [a]\n: b", "line 1: file: must have plain names"),
        ("a: \x01", "file: is no valid YAML"),
        (b"a: \xff", "file: is no UTF-8 text"),
        ("- " * 40 + "x", "is nested too deeply"),
        ("a: " + "9" * 400, "line 1: a: holds a number that is too large"),
        ("#" * (LARGEST + 1), "file: must be at most 4,096 KiB"),
    ],
)
@pytest.mark.attack("A61")
def test_what_is_not_plain_yaml_is_refused_with_its_place(text, said):
    assert refused(text).startswith(said) or said in refused(text)


def test_words_that_readers_of_yaml_take_for_flags_numbers_and_times_are_text():
    text = "[no, On, y, 1e3, 010, 0x1f, 1:30, 2026-01-01, 10.0.0.2, '1', ~, null, true, False, -3, 1.5]"

    assert read_yaml(text).value == [
        *("no", "On", "y", "1e3", "010", "0x1f", "1:30", "2026-01-01", "10.0.0.2", "1"),
        *(None, None, True, False, -3, 1.5),
    ]


@pytest.mark.attack("A61")
def test_files_of_others_may_share_parts_but_not_grow_without_end():
    shared = "base: &b {x: 1, y: 2}\none: {<<: *b, y: 3}\ntwo: *b"

    assert read_yaml(shared, of_others=True).value["one"] == {"x": 1, "y": 3}
    assert "holds too much" in refused(BOMB, of_others=True)
    assert "there is no anchor" in refused("a: *b", of_others=True)


DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(max_size=12) | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(DATA)
def test_what_is_written_is_read_back(value):
    # Characters that YAML has no spelling for are met in no name or text of ours.
    assert read_yaml(as_yaml({"value": value})).value == {"value": value}


def test_what_is_written_means_the_same_to_other_readers():
    value = {"words": ["no", "1e3", "010", "1:30", "2026-01-01", "~", "<<", "=", "- x", "#"]}

    assert yaml.safe_load(as_yaml(value)) == value

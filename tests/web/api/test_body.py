"""Bodies and parameters are read strictly: what is doubtful is refused with its name."""

import json
import time

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from podhealth.core.errors import InputError
from podhealth.web.api.body import json_object, query_int, query_text


def _request(data: bytes | str = b"", content_type="application/json", **more) -> Request:
    return Request(EnvironBuilder(method="POST", data=data, content_type=content_type, **more).get_environ())


@pytest.mark.parametrize(
    "body", ["{}", '{"a": 0}', '\ufeff{"a": null}', '{"a": {"b": [1, 1.5, "x", true]}}', '{"": 1}']
)
def test_an_object_is_read_as_it_is(body):
    assert json_object(_request(body.encode())) == json.loads(body.lstrip("\ufeff"))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"null", "body"),
        (b"[]", "body"),
        (b'"x"', "body"),
        (b"1", "body"),
        (b"NaN", "body"),
        (b"{", "body"),
        (b"{}{}", "body"),
        (b"{'a': 1}", "body"),
        (b'{"a": 1,}', "body"),
        (b'{"a": 01}', "body"),
        (b'{"a": 0x1}', "body"),
        (b'{"a": \xff}', "body"),
        (b'{"a": "\xff"}', "body"),
        ('{"a": 1}'.encode("utf-16"), "body"),
        ('{"a": 1}'.encode("utf-32"), "body"),
        (b'{"a": NaN}', "a"),
        (b'{"a": -Infinity}', "a"),
        (b'{"a": 1e999}', "a"),
        (b'{"a": ' + b"9" * 5000 + b"}", "a"),
        (b'{"a": -' + b"9" * 5000 + b"}", "a"),
        (b'{"a": {"b": 1e999}}', "b"),
        (b'{"a": "\\ud800"}', "a"),
        (b'{"a": "\\u0000"}', "a"),
        (b'{"a": ["\\udfff"]}', "a"),
        (b'{"a": 1, "a": 2}', "a"),
        (b'{"a": {"b": 1, "b": 1}}', "b"),
        (b'{"\\u0000": 1}', "body"),
        (b'{"\\ud800": 1}', "body"),
        (b'{"a": ' + b"[" * 20 + b"]" * 20 + b"}", "a"),
        (b'{"a": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", "body"),
        (b'{"a": ' * 10_000 + b"1" + b"}" * 10_000, "body"),
    ],
)
def test_a_body_that_is_doubtful_is_refused_by_name(body, field):
    with pytest.raises(InputError) as refused:
        json_object(_request(body))

    assert refused.value.field == field


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "application/jsonp", "text/json"],
)
def test_json_of_another_content_type_is_refused(kind):
    with pytest.raises(InputError, match="Content-Type"):
        json_object(_request(b"{}", kind))


def test_the_charset_beside_the_content_type_does_not_matter():
    assert json_object(_request(b"{}", "application/json; charset=utf-8")) == {}


def test_many_names_and_one_twice_are_seen_quickly():
    names = ",".join(f'"{number}":0' for number in range(7_000))
    begun = time.thread_time()  # the thread's own: other processes may keep it waiting

    with pytest.raises(InputError, match="6999: is given twice"):
        json_object(_request(f'{{{names},"6999":1}}'.encode()))

    assert time.thread_time() - begun < 0.5


@pytest.mark.parametrize(("query", "found"), [("", 24), ("hours=", 24), ("hours=1", 1), ("hours=720", 720)])
def test_a_number_in_the_query_is_a_whole_one_within_bounds(query, found):
    assert query_int(_request(query_string=query), "hours", 24, 1, 720) == found


@pytest.mark.parametrize(
    "query",
    [
        "0",
        "721",
        "-1",
        "%2B1",
        "1.0",
        "007",
        "1e1",
        "x",
        "NaN",
        "%D9%A3",
        "%C2%B2",
        "%EF%BC%91",
        "9" * 30,
        "1%00",
        "%201",
        "true",
    ],
)
def test_any_other_number_in_the_query_is_refused_by_name(query):
    with pytest.raises(InputError) as refused:
        query_int(_request(query_string=f"hours={query}"), "hours", 24, 1, 720)

    assert refused.value.field == "hours"


@pytest.mark.parametrize("query", ["tag=a&tag=b", "tag=a&tag=a", "tag=&tag=a"])
def test_a_parameter_given_twice_is_refused(query):
    with pytest.raises(InputError, match="tag: is given twice"):
        query_text(_request(query_string=query), "tag")

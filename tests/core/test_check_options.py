"""The options of the kinds: good and bad values of each, each bad one named."""

import math

import pytest

from podhealth.core.check_options import MAX_HEADERS, REFUSED_HEADERS, code_ranges, parse_options
from podhealth.core.errors import InputError
from podhealth.core.words import Kind

NO_WHOLE_NUMBERS = [True, False, "5", "", 5.0, 5.5, math.nan, math.inf, -math.inf, [5], {"a": 5}, -1, 10**400]
NO_FLAGS = [0, 1, "true", "on", "", [], {}]


def shown(value: object) -> str:
    written = ascii(value)
    return f"{written[:40]} ({len(written)})"


def refused_option(option: str, value: object) -> str:
    """Return the option that the error names, or "accepted" where there is none."""
    try:
        parse_options(Kind.HTTP, {"scheme": "https", option: value}, {})
    except InputError as error:
        return error.field
    return "accepted"


@pytest.mark.parametrize(
    ("option", "value", "stored"),
    [
        ("scheme", "https", "https"),
        ("port", 1, 1),
        ("port", 65535, 65535),
        ("method", "HEAD", "HEAD"),
        ("method", "POST", "POST"),
        ("host", "Shop.Example.com", "shop.example.com"),
        ("host", "a" * 63 + ".example", "a" * 63 + ".example"),
        ("headers", {}, {}),
        ("headers", {"X-Probe": "podhealth check\t1"}, {"X-Probe": "podhealth check\t1"}),
        ("expectedCodes", "200-399,404", "200-399,404"),
        ("expectedCodes", " 404 , 200 - 299", "200-299,404"),
        ("expectedCodes", 200, "200"),
        ("expectedCodes", [301, "200-204"], "200-204,301"),
        ("expectedCodes", "100-599", "100-599"),
        ("bodyContains", "all\nwell", "all\nwell"),
        ("bodyRegex", "^(a+)+$", "^(a+)+$"),
        ("bodyJson", {"status": "ok", "parts": [1, 2.5, True, None]}, {"status": "ok", "parts": [1, 2.5, True, None]}),
        ("bodyJson", False, False),
        ("bodyJson", "", ""),
        ("verifyTls", False, False),
    ],
)
def test_good_options(option: str, value: object, stored: object) -> None:
    assert parse_options(Kind.HTTP, {option: value}, {})[option] == stored


BAD_OPTIONS = {
    "scheme": ["ftp", "HTTP", "file", "", 1],
    "port": NO_WHOLE_NUMBERS + [0, 65_536, "80"],
    "method": ["get", "PUT", "DELETE", "TRACE", "GET /", "", 1, "GET\r\n"],
    "host": [
        "",
        "a b",
        "a/b",
        "http://a",
        "a:80",
        "a\r\nb",
        "a\0",
        "-a",
        "a-",
        "a..b",
        ".a",
        "ü.example",
        "a@b",
        "x" * 254,
    ]
    + ["a" * 64 + ".b", 5, ["a"], "a\n", "[::1]"],
    "headers": [[], "a: b", 5, {"": "b"}, {"a b": "c"}, {"a:": "c"}, {"a\r\nb": "c"}, {"a\n": "b"}, {"ä": "b"}]
    + [{"a": ""}, {"a": "b\r\nHost: c"}, {"a": "b\n"}, {"a": "b\0"}, {"a": "ü"}, {"a": " b"}, {"a": "b "}, {"a": 5}]
    + [{"a": None}, {"a": "b" * 501}, {"a" * 65: "b"}, {"X-A": "1", "x-a": "2"}, {"a": "\ud800"}]
    + [{f"h{i}": "x" for i in range(MAX_HEADERS + 1)}],
    "expectedCodes": [
        "",
        "99",
        "600",
        "200-",
        "-200",
        "399-200",
        "200,,204",
        "2xx",
        "200;204",
        "٢٠٠",
        99,
        True,
        200.0,
        [],
    ]
    + [[True], [None], [200, []], ",".join(["200"] * 21), "200\n", "2000", {"a": 1}],
    "bodyContains": ["", "a\0", "\ud800", "x" * 501, 5, True, []],
    "bodyRegex": ["", "a\0", "\udfff", "x" * 501, 5, True, []],
    "bodyJson": [
        math.nan,
        math.inf,
        {"a": math.nan},
        [1e999],
        "a\0",
        {"a\0": 1},
        {"\ud800": 1},
        "x" * 2_001,
        2**63,
        b"x",
    ]
    + [[[[[[[[[[1]]]]]]]]], {"a": ["x" * 1_000] * 3}, (1, 2), {1: 2}],
    "verifyTls": NO_FLAGS,
    "minCertificateDays": [0, 826, "7", 7.0, True],
    "packets": [1],
    "banner": ["x"],
    "graceSeconds": [5],
    "colour": ["red"],
}


@pytest.mark.parametrize("option", BAD_OPTIONS)
@pytest.mark.attack("A54")
def test_every_bad_value_is_refused_by_its_option(option: str) -> None:
    named = {shown(value): refused_option(option, value) for value in BAD_OPTIONS[option]}

    assert named == dict.fromkeys(named, option)


@pytest.mark.parametrize("name", sorted(REFUSED_HEADERS))
@pytest.mark.attack("A54")
def test_a_header_that_is_not_the_users_to_set_is_refused(name: str) -> None:
    assert refused_option("headers", {name.title(): "x"}) == "headers"


def test_codes_are_ranges_with_both_ends() -> None:
    assert code_ranges("200-399,404") == ((200, 399), (404, 404))


@pytest.mark.parametrize("codes", ["", "abc", "200-100", "200,"])
def test_codes_somebody_wrote_into_the_table_are_refused(codes: str) -> None:
    with pytest.raises(InputError):
        code_ranges(codes)

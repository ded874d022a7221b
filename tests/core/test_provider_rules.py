"""The settings of a web hook: where its calls may go, and what signs them."""

import pytest

from podhealth.core.errors import InputError
from podhealth.core.provider_rules import parse_webhook

ALLOWED = ["10.0.0.0/8", "64.0.0.0/2"]
GOOD = {"url": "https://10.0.0.9:8443/heal?of=web-1", "secret": "a-secret-of-sixteen"}


def test_a_hook_with_all_it_needs_is_taken_as_it_is() -> None:
    assert parse_webhook(GOOD, ALLOWED) == GOOD
    assert parse_webhook(GOOD | {"stateUrl": None}, ALLOWED) == GOOD
    assert parse_webhook(GOOD | {"stateUrl": "http://hooks.example/s"}, ALLOWED)["stateUrl"] == "http://hooks.example/s"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "text of 1 to"),
        ("x" * 1001, "text of 1 to"),
        (7, "text of 1 to"),
        ("10.0.0.9/heal", "begin with"),
        ("ftp://10.0.0.9/", "begin with"),
        ("file:///etc/passwd", "begin with"),
        ("https://", "begin with"),
        ("https:///x", "begin with"),
        ("https://10.0.0.9:0/", "begin with"),
        ("https://10.0.0.9:99999/", "begin with"),
        ("https://10.0.0.9:x/", "begin with"),
        ("https://[::1/", "begin with"),
        ("https://10.0.0.9/a b", "begin with"),
        ("https://10.0.0.9\\@8.8.8.8/", "begin with"),
        ("https://ann:pw@10.0.0.9/", "name or password"),
        ("https://10.0.0.9/#x", "must not hold a #"),
        ("https://127.0.0.1/", "loopback"),
        ("https://127.1/", "unusual spelling"),
        ("https://0x7f000001/", "unusual spelling"),
        ("https://[::1]/", "loopback"),
        ("https://[::ffff:127.0.0.1]/", "loopback"),
        ("https://169.254.169.254/latest/", "metadata"),
        ("https://metadata.google.internal/", "metadata"),
        ("https://localhost/", "own name"),
        ("https://192.168.1.1/", "outside the allowed networks"),
    ],
)
@pytest.mark.parametrize("field", ["url", "stateUrl"])
def test_a_url_that_may_not_be_called_is_refused(field: str, url: object, why: str) -> None:
    with pytest.raises(InputError, match=why) as refused:
        parse_webhook(GOOD | {field: url}, ALLOWED)

    assert refused.value.field == field


def test_a_hook_needs_a_url() -> None:
    with pytest.raises(InputError, match="url"):
        parse_webhook({"secret": GOOD["secret"]}, ALLOWED)


@pytest.mark.parametrize("secret", [None, "", "x" * 15, "x" * 201, "with spaces in it, long enough", "ünïcödé" * 3, 7])
def test_a_secret_that_signs_badly_is_refused(secret: object) -> None:
    with pytest.raises(InputError) as refused:
        parse_webhook(GOOD | {"secret": secret}, ALLOWED)

    assert refused.value.field == "secret"

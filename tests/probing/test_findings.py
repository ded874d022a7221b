"""How findings are worded: nothing of the target's choosing gets through unfiltered."""

import errno

import pytest

from podhealth.core.words import FailClass, Outcome
from podhealth.probing import findings


@pytest.mark.attack("A46", "A60")
def test_texts_are_one_line_of_200_visible_characters() -> None:
    found = findings.down("x", "a\r\nb\x00\x1b[2J\u202eevil\ud800" + "z" * 500)

    assert found.error is not None
    assert len(found.error) <= 200
    assert found.error.startswith("a b [2J evil z")


@pytest.mark.parametrize(
    "secret",
    [
        "password=hunter2hunter2",
        '"api_key": "0123456789abcdef0123"',
        "Authorization: Bearer abc.def.ghi",
        "token=abcdef123456",
        "Set-Cookie: sid=abcdef",
        "postgres://app:s3cr3t@db/x",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_0123456789abcdef0123456789abcdef0123",
        "d41d8cd98f00b204e9800998ecf8427e",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
    ],
)
@pytest.mark.attack("A46")
def test_an_excerpt_holds_no_secrets(secret: str) -> None:
    shown = findings.excerpt(f"state ok {secret} end".encode())

    assert "[removed]" in shown
    assert not any(part in shown for part in ("hunter2", "0123456789abcdef", "abc.def", "abcdef", "s3cr3t", "MIIE"))
    assert not any(part in shown for part in ("eyJ", "AKIA", "d41d8"))
    assert shown.startswith("state ok")


@pytest.mark.attack("A46")
def test_a_secret_cut_by_the_end_of_the_excerpt_does_not_slip_through() -> None:
    shown = findings.excerpt(b"x " * 245 + b"password=hunter2hunter2hunter2")

    assert "hunter2" not in shown
    assert len(shown) <= 500


@pytest.mark.parametrize(
    ("number", "outcome", "code"),
    [
        (errno.ECONNREFUSED, Outcome.FAIL, "refused"),
        (errno.ECONNRESET, Outcome.FAIL, "reset"),
        (errno.EHOSTUNREACH, Outcome.FAIL, "unreachable"),
        (errno.ENETUNREACH, Outcome.ERROR, "no_route"),
        (errno.EMFILE, Outcome.ERROR, "no_sockets"),
        (errno.EADDRNOTAVAIL, Outcome.ERROR, "no_sockets"),
        (errno.EPERM, Outcome.ERROR, "no_permission"),
        (errno.EXDEV, Outcome.ERROR, "prober"),
    ],
)
@pytest.mark.attack("A46")
def test_only_what_the_far_side_did_is_a_failure(number: int, outcome: Outcome, code: str) -> None:
    found = findings.by_errno(number)

    assert (found.outcome, found.code) == (outcome, code)
    assert found.fail_class is (FailClass.DOWN if outcome is Outcome.FAIL else None)


def test_latency_over_the_limit_is_slow_and_says_both_numbers() -> None:
    found = findings.good(1204.4, 800)

    assert (found.outcome, found.error) == (Outcome.SLOW, "took 1,204 ms, wanted 800 ms")
    assert findings.good(800.0, 800).outcome is Outcome.OK

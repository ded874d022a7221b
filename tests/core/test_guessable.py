"""Which passwords are refused as guessed first, and which are not."""

import pytest

from podhealth.core.guessable import why_guessable

OWN = ("Ann Acker", "ann@acme.example", "acme")


@pytest.mark.parametrize(
    "password",
    ["passwordpassword", "Password1234!", "P@ssw0rd2026!", "  password   1", "welcome12345", "letmeinletmein",
     "iloveyou1234", "Summer2026!!", "podhealth2026", "1q2w3e4r5t6y", "zaq12wsxcde3", "qwertyuiop123", "abcdefghijkl",
     "123456789012", "987654321987", "annacme123456", "Ann Acker 2026", "ann@acme.example", "correctcorrect",
     "correct-correct-"],
)  # fmt: skip
def test_what_everybody_tries_is_refused(password):
    assert why_guessable(password, OWN) == "is among those that are guessed first"


@pytest.mark.parametrize("password", ["aaaaaaaaaaaa", "111122223333", "abcabcabcabc", "xxxxxxxxxxxy", "!" * 1024])
def test_few_different_characters_are_refused(password):
    assert why_guessable(password, OWN) == "is made of too few different characters"


@pytest.mark.parametrize(
    "password",
    ["correct horse battery", "another good one", "f8#kd02-ls9x", "summer rain on tin roofs", "1949283746501",
     "mein hund heißt bello", "пароль на холме", "天地玄黄宇宙洪荒日月", "winter-coat-42-blue",
     "horsehorsehorse battery", "CORRECT HORSE BATTERY"],
)  # fmt: skip
def test_what_nobody_guesses_needs_no_digit_no_sign_and_no_capital(password):
    assert why_guessable(password, OWN) is None


def test_what_is_on_one_persons_door_is_no_word_for_others():
    assert why_guessable("ackermanns 2026", ("Ann Ackermann",)) is not None
    assert why_guessable("ackermanns 2026", ("Bob",)) is None

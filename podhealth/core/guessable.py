"""Which passwords are guessed first. No rules of digits and signs: they only make people write "Password1!".

Long as a password is, it is weak if it is made of one word that everybody tries, of keys in a row, or of the name on
the door. Lists of leaked passwords hold hardly anything else of twelve characters and more.
"""

import re
from collections.abc import Iterable

_WORDS = """
123qwe 1q2w3e4r 1qaz2wsx zaq12wsx 5t6y cde3 3edc 4rfv 2wsx abc access account admin administrator angel azerty
babygirl baseball basketball batman business buster changeme charlie chocolate computer cookie daniel dashboard default
donald dragon flower football forever freedom friends guest hello hunter iloveyou internet jessica jesus jordan killer
letmein liverpool login lovely master michael monitoring monkey mustang ninja nothing orange passphrase passw passwort
password pepper pod podhealth pods pokemon princess qazwsx qwerty qwertz root samsung secret server shadow soccer spring
starwars summer autumn winter sunshine superman superuser temp test thomas tigger trustno user welcome whatever
"""
_COMMON = frozenset(_WORDS.split())
_ROWS = ("abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm")
_ROWS_BOTH_WAYS = tuple(row * 2 for row in _ROWS) + tuple(row[::-1] * 2 for row in _ROWS)
_SPELT = str.maketrans("013457@$!|", "oieastasil")
_ENDS = re.compile(r"^[\W_]+|[\W_]*\d{0,4}[\W_]*$")  # a year, or the "1!" of who was told to use digits and signs
_GAPS = re.compile(r"[\W_]")
_ONE_WORD = re.compile(r"(.{1,16})\1+")
_REPEATS = re.compile(r"(.{1,16}?)\1+")
_FEWEST = 5  # different characters
_LEFT = 4  # letters and digits that nobody guesses, beside what is
_RUN = 4  # keys in a row that count as one


def why_guessable(password: str, own: Iterable[str]) -> str | None:
    """Return what is wrong with a password that is guessed first, as the end of a sentence about it; null if nothing.

    ``own``: names that stand on the door: the person's, the address, the tenant's.
    """
    plain = _ENDS.sub("", password.lower())
    if len(set(password.lower())) < _FEWEST:
        return "is made of too few different characters"
    names = {word for name in own for word in re.split(r"[^\w]+", name.lower()) if len(word) > 2}
    spelt = {word.translate(_SPELT) for word in _COMMON | names}
    is_known = _is_little(plain, _COMMON | names) or _is_little(plain.translate(_SPELT), spelt)
    return "is among those that are guessed first" if is_known or _ONE_WORD.fullmatch(_GAPS.sub("", plain)) else None


def _is_little(text: str, words: Iterable[str]) -> bool:
    """Return whether hardly anything is left of a text without these words, repeats, and keys in a row."""
    for word in sorted(words, key=len, reverse=True):
        text = text.replace(word, "")
    return len(_without_rows(_REPEATS.sub(r"\1", _GAPS.sub("", text)))) < _LEFT


def _without_rows(text: str) -> str:
    """Leave out keys in a row, on the keyboard or in the alphabet, either way."""
    left, at = [], 0
    while at < len(text):
        end = at
        while end < len(text) and any(text[at : end + 1] in row for row in _ROWS_BOTH_WAYS):
            end += 1
        if end - at < _RUN:
            left.append(text[at])
            end = at + 1
        at = end
    return "".join(left)

"""What must be true of every answer of the web, whoever asks for what: its headers, and that it tells no insides."""

import re
from collections.abc import Iterator

from werkzeug.test import TestResponse

ON_EVERY_ANSWER = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_NEEDED = ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'")
_WORDS_INSIDE = ("traceback", "sqlalchemy", "psycopg", "sqlite3", "werkzeug", "site-packages")
# Each after a word that is looked for first: an expression takes a hundred times longer to walk through a page.
_INSIDES = {
    "select ": re.compile(r"(?i:select .* from )"),
    "error": re.compile(r"\b[A-Z]\w*Error\b"),
    "podhealth.": re.compile(r"\bpodhealth\.\w+\."),
}


def _inside(text: str) -> str | None:
    low = text.lower()
    told = [word for word in _WORDS_INSIDE if word in low]
    told += [found[0] for word, shape in _INSIDES.items() if word in low and (found := shape.search(text))]
    return told[0] if told else None


def faults_of(answer: TestResponse, may_be_kept: bool = False) -> Iterator[str]:
    """Tell what an answer lacks or tells too much; ``may_be_kept``: it is the same to everybody."""
    policy = answer.headers.get("Content-Security-Policy", "")
    if any(part not in policy for part in _NEEDED) or "unsafe" in policy or "*" in policy or "http" in policy:
        yield f"policy {policy!r}"
    lacking = [name for name, value in ON_EVERY_ANSWER.items() if answer.headers.getlist(name) != [value]]
    if lacking:
        yield f"lacks {lacking}"
    if not may_be_kept and answer.headers.get("Cache-Control") != "no-store":
        yield f"may be kept: {answer.headers.get('Cache-Control')}"
    if any(name.startswith("Access-Control-") for name in answer.headers.keys()):  # noqa: SIM118 - pairs else
        yield "other sites may read it"
    if not may_be_kept and (told := _inside(f"{answer.get_data(as_text=True)}\n{answer.headers}")):
        yield f"tells our insides: {told}"

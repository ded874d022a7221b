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
_INSIDES = re.compile(
    r"(?i:Traceback|sqlalchemy|psycopg|sqlite3|werkzeug|site-packages|select .* from )"
    r"|\b[A-Z]\w*Error\b|podhealth\.\w+\."
)


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
    if found := _INSIDES.search(f"{answer.get_data(as_text=True)}\n{answer.headers}" if not may_be_kept else ""):
        yield f"tells our insides: {found[0]}"

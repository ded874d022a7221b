"""The token of forms, masked anew in each answer, so that answers may be compressed.

Flask-WTF's token is the same in each answer to one session, but for its time. Where text that another site chose (a
search, say) stands in the same compressed answer, the answer's length would tell whether it is alike: letter by letter
the token could be found out (BREACH). With a mask of random bytes beside it there is nothing that stays the same.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from secrets import token_bytes

from flask import Flask, g
from flask_wtf.csrf import CSRFProtect, generate_csrf

_MASKED = "~"


def mask(token: str) -> str:
    """Return the token under a mask of its own."""
    plain = token.encode()
    over = token_bytes(len(plain))
    return _MASKED + urlsafe_b64encode(over + _xor(plain, over)).decode().rstrip("=")


def unmask(masked: str) -> str | None:
    """Return what ``mask`` was given, or null; a token without mask (of a page from before there were any) as it is."""
    if not masked.startswith(_MASKED):
        return masked
    text = masked[len(_MASKED) :]
    try:
        both = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return _xor(both[: len(both) // 2], both[len(both) // 2 :]).decode()
    except ValueError:
        return None


def _xor(some: bytes, others: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(some, others, strict=True))


def csrf_token() -> str:
    """Return the token for the forms of this answer."""
    if "masked_csrf_token" not in g:
        g.masked_csrf_token = mask(generate_csrf())
    return str(g.masked_csrf_token)


class MaskedProtect(CSRFProtect):  # type: ignore[misc]
    """Flask-WTF's protection with masked tokens."""

    def init_app(self, app: Flask) -> None:
        """Protect ``app``; its templates get masked tokens."""
        super().init_app(app)
        app.jinja_env.globals["csrf_token"] = csrf_token
        app.context_processor(lambda: {"csrf_token": csrf_token})

    def _get_csrf_token(self) -> str | None:
        sent = super()._get_csrf_token()
        return unmask(sent) if isinstance(sent, str) else None

"""The headers every answer carries, errors too: what a browser may load, frame, sniff, store and tell others."""

from flask import Flask, Response, g, request
from flask_talisman import Talisman

from podhealth.settings import Settings

_NOTHING = "'none'"
_OURS = "'self'"
_YEAR_S = 365 * 24 * 3600
_STAY_WITH_HTTPS = f"max-age={_YEAR_S}; includeSubDomains"
_MORE = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin"}

POLICY = {
    "default-src": _NOTHING,
    "script-src": _OURS,
    "style-src": _OURS,
    "img-src": _OURS,
    "connect-src": _OURS,
    "manifest-src": _OURS,
    "form-action": _OURS,
    "base-uri": _NOTHING,
    "frame-ancestors": _NOTHING,
    "object-src": _NOTHING,
}


def of_every_answer(is_https: bool) -> dict[str, str]:
    """Return the headers of an answer that no page and no file is, for what is answered without the application."""
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in POLICY.items()),
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        **({"Strict-Transport-Security": _STAY_WITH_HTTPS} if is_https else {}),
        **_MORE,
        "Cache-Control": "no-store",
        "Vary": "Cookie, HX-Request",
    }


def install(app: Flask, settings: Settings) -> None:
    """Set cookie flags and headers; Secure and HSTS only where people come by https."""
    is_https = settings.public_url.startswith("https://")
    app.config.update(
        # Cookies know no port: two installations on one host would sign each other out under one name.
        SESSION_COOKIE_NAME="__Host-podhealth" if is_https else f"podhealth_{settings.web_port}",
        SESSION_COOKIE_SECURE=is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/",
    )
    Talisman(
        app,
        force_https=False,  # a proxy in front redirects; on loopback there is no https
        strict_transport_security=False,
        session_cookie_secure=is_https,
        content_security_policy=POLICY,
        frame_options="DENY",
        referrer_policy="same-origin",
        permissions_policy={},
        x_content_type_options=True,
        x_xss_protection=False,
    )
    if is_https:
        app.after_request(_stay_with_https)
    app.after_request(_more)


def _stay_with_https(response: Response) -> Response:
    # Not left to Talisman: behind a proxy it sees a plain request and says nothing.
    response.headers["Strict-Transport-Security"] = _STAY_WITH_HTTPS
    return response


def is_for_everybody(response: Response) -> bool:
    """Return whether the answer is the same whoever asks, and may be kept: files, and what visitors are shown.

    No error is: caches may keep a 404 too, of a file that the next release brings.
    """
    return (request.endpoint or "").startswith(("assets.", "public.")) and response.status_code < 400


def _more(response: Response) -> Response:
    response.headers.update(_MORE)
    if not is_for_everybody(response):
        # Also for answers without a person: the same address answers differently before and after signing in.
        response.headers["Cache-Control"] = "no-store"
        response.vary.update(("Cookie", "HX-Request"))  # in one line: what adds to it later reads only the first
        if "request_id" in g:
            response.headers["X-Request-Id"] = str(g.request_id)
    return response

"""Scripts, styles and pictures: ours from ``static/``, third-party ones from the installed packages.

Nothing third-party lies in the repository, and nothing is fetched from elsewhere.
"""

from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from flask import Blueprint, Response, abort, send_file

from podhealth.beside import beside

pages = Blueprint("assets", __name__)

OWN = beside("static")
_YEAR_S = 365 * 24 * 3600
_HOUR_S = 3600  # where the address stays as it is


class _Packaged(NamedTuple):
    package: str
    path: str


_PACKAGED = {
    "htmx.js": _Packaged("js_lib_htmx", "static/htmx/htmx.min.js"),
    "htmx-ws.js": _Packaged("js_lib_htmx", "static/htmx/ext/ws.js"),
    "bootstrap.css": _Packaged("flask_bootstrap", "static/bootstrap5/css/bootstrap.min.css"),
}
_OWN_NAMES = frozenset({".css", ".js", ".svg", ".png", ".webmanifest"})


def asset(name: str) -> str:
    """Return the address of one of our own files, with its content's mark: it may be kept for a year."""
    return f"/static/{name}?v={_mark(OWN / name)}"


def packaged(name: str) -> str:
    """Return the address of a third-party file, with its content's mark."""
    return f"/assets/{name}?v={_mark(_path_of(name))}"


@cache
def _path_of(name: str) -> Path:
    wanted = _PACKAGED[name]
    # find_spec, not import: the htmx package would import Django.
    spec = find_spec(wanted.package)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"package {wanted.package} is not installed")
    return Path(spec.origin).parent / wanted.path


@cache
def _mark(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()[:12]


@pages.get("/static/<name>")
def own(name: str) -> Response:
    """Send one of our own files."""
    path = OWN / name
    # Looked up among the names there are: no name from outside ever goes into a path of ours.
    if path.suffix not in _OWN_NAMES or name not in {own.name for own in OWN.iterdir()}:
        abort(404)
    return _send(path)


@pages.get("/agent.py")
def agent() -> Response:
    """Send the agent that pods run: one file without secrets, the same for all."""
    response = send_file(OWN / "agent.py", mimetype="text/x-python", max_age=_HOUR_S, conditional=True)
    response.cache_control.public = True
    return response


@pages.get("/assets/<name>")
def packaged_file(name: str) -> Response:
    """Send a third-party file that pages use; no other file of any package."""
    if name not in _PACKAGED:
        abort(404)
    return _send(_path_of(name))


def _send(path: Path) -> Response:
    response = send_file(path, etag=_mark(path), max_age=_YEAR_S, conditional=True)
    response.cache_control.immutable = True
    response.cache_control.public = True
    return response

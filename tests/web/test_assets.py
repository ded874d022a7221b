"""Scripts, styles and pictures: ours and the packaged ones pages use, kept for a year, and no other file."""

import re

import pytest

from podhealth.web.pages import assets
from tests.support.apps import an_app
from tests.support.cast import Caller

OUTSIDE = [
    "../pyproject.toml",
    "..%2fpyproject.toml",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e%2fpyproject.toml",
    "%252e%252e%252fpyproject.toml",
    "..%5cpyproject.toml",
    "....//pyproject.toml",
    "%2fetc%2fpasswd",
    "/etc/passwd",
    "app.css%00",
    "app.css%00.js",
    "app.css/",
    "./app.css",
    "%2e/app.css",
    "app.css%20",
    ".",
    "..",
    "",
    ".gitignore",
    "app",
    "APP.CSS",
    "C:%5cwindows",
    "nothing.js",
    "app.py",
    "htmx.js%2f..%2fhtmx.js",
    "x" * 300 + ".js",
    "a" * 5000,
]


@pytest.fixture(scope="module")
def caller():
    return Caller(an_app("sqlite:////nowhere/at/all.db"))


@pytest.mark.parametrize("name", sorted(path.name for path in assets.OWN.iterdir() if path.suffix != ".py"))
def test_our_own_files_are_sent_as_what_they_are(caller, name):
    answer = caller.get(assets.asset(name))

    kinds = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".png": "image/png"}
    assert answer.status_code == 200
    assert answer.get_data() == (assets.OWN / name).read_bytes()
    assert answer.mimetype == kinds[name[name.rindex(".") :]]


@pytest.mark.parametrize("name", ["htmx.js", "htmx-ws.js", "bootstrap.css"])
def test_packaged_files_are_sent_from_their_packages(caller, name):
    answer = caller.get(assets.packaged(name))

    assert answer.status_code == 200
    assert len(answer.get_data()) > 1_000


@pytest.mark.parametrize("address", [assets.asset("app.css"), assets.packaged("htmx.js")])
def test_a_file_may_be_kept_for_a_year_by_everybody_and_no_cookie_comes_with_it(caller, address):
    caller.client.set_cookie(caller.app.config["SESSION_COOKIE_NAME"], "of somebody")

    answer = caller.get(address)

    told = {part.strip() for part in answer.headers["Cache-Control"].split(",")}
    assert told == {"public", "max-age=31536000", "immutable"}
    assert "Set-Cookie" not in answer.headers
    assert "Cookie" not in answer.headers.get("Vary", "")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_file_that_is_known_is_not_sent_again(caller):
    address = assets.asset("app.css")
    mark = caller.get(address).headers["ETag"]

    answer = caller.get(address, headers={"If-None-Match": mark})

    assert (answer.status_code, answer.get_data()) == (304, b"")


def test_the_address_of_a_file_changes_with_what_is_in_it():
    assert re.fullmatch(r"/static/app\.css\?v=[0-9a-f]{12}", assets.asset("app.css"))
    assert assets.asset("app.css").partition("?")[2] != assets.asset("app.js").partition("?")[2]


@pytest.mark.parametrize("folder", ["static", "assets"])
@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.attack("A62")
def test_no_other_file_is_sent(caller, folder, name):
    assert caller.get(f"/{folder}/{name}").status_code in (404, 405)


def test_a_file_that_no_package_has_is_a_fault_of_ours():
    with pytest.raises(KeyError):
        assets.packaged("jquery.js")

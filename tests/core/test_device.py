"""What browsers call themselves, in words."""

import pytest

from podhealth.core.device import device_in_words

_MOZILLA = "Mozilla/5.0 "
_KIT = "AppleWebKit/537.36 (KHTML, like Gecko) "
_CHROME = _KIT + "Chrome/126.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on Linux"),
        (_MOZILLA + "(Windows NT 10.0; Win64; x64) " + _CHROME, "Chrome on Windows"),
        (_MOZILLA + "(Windows NT 10.0) " + _CHROME + " Edg/126.0", "Edge on Windows"),
        (_MOZILLA + "(Macintosh; Intel Mac OS X) " + _KIT + "Version/17.4 Safari/605.1.15", "Safari on a Mac"),
        (_MOZILLA + "(iPhone; CPU OS 17_4 like Mac OS X) " + _KIT + "CriOS/126.0 Safari/604.1", "Chrome on an iPhone"),
        (_MOZILLA + "(Linux; Android 14) " + _KIT + "Chrome/126.0 Mobile Safari/537.36", "Chrome on Android"),
        (_MOZILLA + "(X11; CrOS x86_64 14541.0.0) " + _CHROME + " OPR/112", "Opera on ChromeOS"),
        ("curl/8.5.0", "curl"),
        ("Werkzeug/3.1", "Werkzeug"),
        ("Mozilla/5.0 (Plan 9)", "A browser"),
        ("<script>", "A browser"),
        ("", "An unnamed browser"),
        (None, "An unnamed browser"),
    ],
)  # fmt: skip
def test_a_browser_is_called_by_its_name_and_its_system(name, words):
    assert device_in_words(name) == words

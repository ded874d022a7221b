"""What a browser calls itself, in words that its owner knows it by: "Firefox on Linux"."""

import re

_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)  # in this order: each later one's word stands in the names of those before it, too
_SYSTEMS = (
    ("iPhone", "an iPhone"),
    ("iPad", "an iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "a Mac"),
    ("Linux", "Linux"),
)
_PROGRAM = re.compile(r"[A-Za-z][A-Za-z0-9 ._-]{0,39}")


def device_in_words(name: str | None) -> str:
    """Return the browser and the system in a few words, for people only: anybody can call a browser anything."""
    if not name:
        return "An unnamed browser"
    browser = next((word for sign, word in _BROWSERS if sign in name), None)
    system = next((word for sign, word in _SYSTEMS if sign in name), None)
    if browser is None:
        program = _PROGRAM.match(name.partition("/")[0])
        browser = program[0].strip() if program and not name.startswith("Mozilla/") else "A browser"
    return f"{browser} on {system}" if system else browser

"""Addresses as other products write them, taken apart into what our checks hold: host, port, path, options."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from podhealth.core.check_options import REFUSED_HEADERS
from podhealth.declared.fields import Fields

METHODS = ("GET", "HEAD", "POST")


class Target(NamedTuple):
    """A URL in the parts that a check of ours has; ``why`` it cannot be one, null: it can."""

    host: str = ""
    fields: Fields = {}
    why: str | None = None


def http_target(url: str) -> Target:
    """Return what an http check asks for at this URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return Target(why="its URL cannot be read")
    if parts.scheme not in ("http", "https") or not host:
        return Target(why="its URL is none of http:// or https:// with a host")
    if parts.username is not None or parts.password is not None:
        return Target(host, why="its URL holds a password; our checks hold none, since every viewer reads them")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    config: Fields = {} if parts.scheme == "http" else {"scheme": "https"}
    if port is not None and port != {"http": 80, "https": 443}[parts.scheme]:
        config["port"] = port
    return Target(host, {"checkType": "http", "target": path, "config": config})


def headers_of(headers: Mapping[str, object]) -> tuple[Fields, str | None, str | None]:
    """Return the headers that a check of ours may send, its Host, and the name of one that it must not send."""
    kept: Fields = {}
    host = None
    for name, value in headers.items():
        lower = str(name).lower()
        if lower == "host":
            host = str(value)
        elif lower in ("user-agent", "accept", "content-type") or lower not in REFUSED_HEADERS:
            kept[str(name)] = str(value)
        else:
            return {}, None, str(name)
    return kept, host, None

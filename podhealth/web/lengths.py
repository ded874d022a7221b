"""How long the body of a request may be where that is more than elsewhere (``MAX_BODY``): said by its route."""

from collections.abc import Callable
from typing import Any, TypeVar

MAX_BODY = 64 * 1024

Route = TypeVar("Route", bound=Callable[..., Any])


def takes_up_to(most_bytes: int) -> Callable[[Route], Route]:
    """Let a page's route take a body of so many bytes; routes of the API declare it (web/api/declare.py)."""

    def mark(route: Route) -> Route:
        route.most_bytes = most_bytes  # type: ignore[attr-defined]
        return route

    return mark


def longest_of(route: Callable[..., Any]) -> int | None:
    """Return what a route has said, null where nothing."""
    declaration = getattr(route, "declaration", None)
    return getattr(declaration, "most_bytes", None) or getattr(route, "most_bytes", None)

"""Where people can go from every page: the bar, the menu behind "More", and which of it their role may open.

What a role may do stands in web/access.py and nowhere else.
"""

from typing import NamedTuple

from flask import current_app, g, request

from podhealth.store.tenancy import NO_TENANT
from podhealth.web.access import RULES, allows
from podhealth.web.installed import installed
from podhealth.web.session import lacks_factor


class Place(NamedTuple):
    """One page to go to. ``endpoint`` is its route; its line in web/access.py says who sees the link."""

    path: str
    word: str
    endpoint: str


class Link(NamedTuple):
    """A place as the page shows it: ``is_here`` where somebody is on it or below it."""

    path: str
    word: str
    is_here: bool


class Navigation(NamedTuple):
    """The links of the bar, and those behind "More". ``is_in_more``: the page that is open stands there."""

    bar: tuple[Link, ...]
    more: tuple[Link, ...]
    is_in_more: bool


BAR = (
    Place("/pods", "Pods", "pods.list"),
    Place("/incidents", "Incidents", "incidents.list"),
    Place("/policies", "Policies", "policies.list"),
    Place("/heals", "Heals", "heals.list"),
    Place("/maintenance", "Maintenance", "windows.list"),
)
MORE = (
    Place("/approvals", "Approvals", "approvals.list"),
    Place("/brakes", "Brakes", "brakes.show"),
    Place("/channels", "Channels", "channels.list"),
    Place("/deliveries", "Deliveries", "deliveries.list"),
    Place("/inventory", "Inventory", "inventory.list"),
    Place("/wall", "Wall", "wall.show"),
    Place("/status-page", "Status page", "status_page.show"),
    Place("/audit", "Audit", "audit.list"),
    Place("/users", "Users", "users.list"),
    Place("/tokens", "Tokens", "tokens.list"),
    Place("/api/docs", "API", "api_docs.show"),
    Place("/settings", "Settings", "settings.show"),
    Place("/ops", "Operation", "ops.show"),
    Place("/styleguide", "Style guide", "styleguide.show"),
)


def navigation() -> Navigation:
    """Return the links for who asks; none for somebody who is not signed in."""
    bar, more = _shown(BAR), _shown(MORE)
    return Navigation(bar, more, any(link.is_here for link in more))


def address() -> str:
    """Return where the page that is open is found, as it stands on its prints."""
    return installed().settings.public_url.rstrip("/") + request.full_path.rstrip("?")


def _shown(places: tuple[Place, ...]) -> tuple[Link, ...]:
    return tuple(Link(place.path, place.word, _is_here(place.path)) for place in places if _may_open(place.endpoint))


def _is_here(path: str) -> bool:
    return request.path == path or request.path.startswith(path + "/")


def _may_open(endpoint: str) -> bool:
    scope = g.get("scope")
    if scope is None or endpoint not in current_app.view_functions:
        return False
    rule = RULES[endpoint]
    if lacks_factor() and not rule.opens_without_factor:
        return False
    is_open = scope.tenant_id != NO_TENANT or not rule.is_of_tenant
    return rule.role is not None and allows(scope.role, rule.role) and is_open

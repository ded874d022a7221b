"""The only renderer of fragments: the same bytes for a page, an htmx answer and a socket push.

It knows no request, person or session. A fragment that asks for one is wrong, because a push is rendered once for
all who watch, so each of those names raises here, even inside an ``if``.
"""

from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.runtime import Context
from markupsafe import Markup

from podhealth.beside import beside

TEMPLATES = beside("templates")

_OF_ONE_VIEWER = frozenset({"request", "session", "current_user", "csrf_token", "url_for", "g", "now"})


class ViewerNameError(RuntimeError):
    """A fragment asked for something that differs between viewers."""


class _FragmentContext(Context):
    def resolve_or_missing(self, key: str) -> Any:
        if key in _OF_ONE_VIEWER:
            raise ViewerNameError(f"a fragment may not use {key!r}: it is rendered once for all who watch")
        return super().resolve_or_missing(key)


def iso(moment: datetime) -> str:
    """Return ``moment`` as the ``datetime`` attribute wants it: UTC, whole seconds, ``Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc_text(moment: datetime) -> str:
    """Return ``moment`` as people read it where no script runs: ``24 Nov, 10:02 UTC``."""
    moment = moment.astimezone(UTC)
    return f"{moment.day} {moment:%b, %H:%M} UTC"


def day_text(moment: datetime) -> str:
    """Return the day of ``moment`` in UTC with its year: ``24 Nov 2026``."""
    moment = moment.astimezone(UTC)
    return f"{moment.day} {moment:%b %Y}"


def rfc2822(moment: datetime) -> str:
    """Return ``moment`` as feeds want it (RFC 5322): ``Tue, 24 Nov 2026 10:02:11 GMT``."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


FILTERS = {"iso": iso, "utc_text": utc_text, "day_text": day_text, "rfc2822": rfc2822}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.context_class = _FragmentContext
    environment.filters.update(FILTERS)
    return environment


def fragment(name: str, view: object) -> Markup:
    """Render ``templates/fragments/<name>.html`` with ``view`` under the name of the file.

    The answer has exactly one root element with a stable id. Raises jinja2.TemplateNotFound for a name that is no
    fragment, and ViewerNameError where a template reaches for the viewer: both are ours to mend.
    """
    template = _environment().get_template(f"fragments/{name}.html")
    return Markup(template.render({name: view}).strip())  # noqa: S704 - autoescaped by the environment

"""The page of the visual language: every token, mark and part, in both themes side by side.

It copies nothing: what it shows is drawn by the macros, fragments and styles that the pages use. For platform admins.
"""

import re
from functools import cache

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from podhealth.live.render import TEMPLATES
from podhealth.web.pages import style_samples as samples
from podhealth.web.pages.assets import OWN

pages = Blueprint("styleguide", __name__)

THEMES = ("light", "dark")


@pages.get("/styleguide")
def show() -> ResponseReturnValue:
    """Show the visual language."""
    # Nothing of it is live, and no pod of it is anybody's: a page without a shell hears nothing.
    return render_template(
        "pages/styleguide/show.html",
        themes=[(theme, samples.of(theme)) for theme in THEMES],
        tokens=tokens(),
        icons=icons(),
    )


@cache
def icons() -> tuple[str, ...]:
    """Return the names of the pictures in the sprite, in its order."""
    return tuple(re.findall(r'<symbol id="i-([\w-]+)"', (TEMPLATES / "macros" / "sprite.html").read_text()))


@cache
def tokens() -> tuple[str, ...]:
    """Return the names of the colours, in the order of the style sheet."""
    light = re.search(r":root\s*\{([^}]*)\}", (OWN / "tokens.css").read_text())
    return tuple(re.findall(r"--([\w-]+):\s*#", light[1] if light else ""))

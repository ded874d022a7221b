"""The style guide: for platform admins, of the parts the pages use, with nothing left out."""

import re
from pathlib import Path

import pytest

from podhealth.core.words import Gate, HealState, Phase, Status
from podhealth.live.render import _environment
from podhealth.web.pages import styleguide
from podhealth.web.pages.assets import OWN
from tests.support import cast
from tests.support.cast import Caller, a_platform_session

site = cast.site


@pytest.fixture
def page(site):
    return Caller(site.app, session=a_platform_session(site.engine)).get("/styleguide")


def test_it_is_there_for_platform_admins_alone(site, page):
    assert page.status_code == 200
    assert [site.browser(name).get("/styleguide").status_code for name in ("vic", "adam")] == [404, 404]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_each_theme_shows_every_word_and_picture(page, theme):
    words = _environment().get_template("macros/words.html").module
    parts = re.split(r'data-bs-theme="(\w+)"', page.text)
    shown = "".join(text for name, text in zip(parts[1::2], parts[2::2], strict=True) if name == theme)

    wanted = [words.status_words[one] for one in Status]
    wanted += [words.phase_words[one] for one in Phase if one != Phase.MONITORED]
    wanted += [words.heal_words[one].lower() for one in HealState]
    wanted += [words.gate_words[one] for one in Gate if one != Gate.MODE]
    assert [word for word in wanted if word not in shown] == []
    assert [name for name in styleguide.icons() if f'href="#i-{name}"' not in shown] == []
    assert [name for name in styleguide.tokens() if f"is-of-{name}" not in shown] == []


def test_each_colour_has_its_swatch():
    css = (OWN / "styleguide.css").read_text()

    assert len(styleguide.tokens()) > 30
    assert [name for name in styleguide.tokens() if f".is-of-{name} {{ background: var(--{name}); }}" not in css] == []


def test_no_id_stands_twice_and_nothing_of_it_is_live(page):
    ids = re.findall(r'\sid="([^"]+)"', page.text)

    assert sorted({one for one in ids if ids.count(one) > 1}) == []
    assert 'id="live-beat"' not in page.text


def test_it_copies_no_mark_of_a_status():
    templates = Path(_environment().loader.searchpath[0]) / "pages" / "styleguide"

    assert [path for path in templates.iterdir() if re.search(r"badge-ph|pod-card|s-healthy", path.read_text())] == []

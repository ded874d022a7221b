"""What holds for every live part: its name, and that its place on a page names a part that there is."""

import re

from podhealth.live.parts import ALL
from podhealth.live.render import TEMPLATES


def test_each_name_is_one_that_pages_can_write():
    assert [name for name in ALL if not re.fullmatch(r"[a-z]+(_[a-z]+)*", name)] == []


def test_pages_name_parts_that_there_are_and_each_part_stands_somewhere():
    sources = [path.read_text() for path in TEMPLATES.rglob("*.html")]
    named = {name for text in sources for name in re.findall(r'data-part="([^"{]*)-(?:0|\{\{[^"]*\}\})"', text)}

    assert named == ALL.keys()
    assert sum(text.count("data-part=") for text in sources) == sum(
        len(re.findall(r'data-part="[a-z_]+-(?:0|\{\{)', text)) for text in sources
    )

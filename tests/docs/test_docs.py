"""What the documentation promises exists: settings, commands, links, make targets."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from podhealth.cli import podhealth as command
from podhealth.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]+)?(#[^)\s]+)?\)")


def anchors(text: str) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", h.strip().lower()).replace(" ", "-") for h in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    broken = []
    for path, anchor in LINK.findall(page.read_text()):
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor[1:] not in anchors(target.read_text())):
            broken.append(path + anchor)

    assert broken == []


def test_every_setting_has_its_line() -> None:
    text = (ROOT / "docs/settings.md").read_text()
    names = {f.validation_alias or f"PODHEALTH_{name.upper()}" for name, f in Settings.model_fields.items()}

    assert {name for name in names if f"`{name}`" not in text} == set()


def test_every_command_is_in_the_readme_or_the_operations_page() -> None:
    text = (ROOT / "README.md").read_text() + (ROOT / "docs/operations.md").read_text()

    assert {name for name in command.list_commands(None) if f"podhealth {name}" not in text} == set()


def test_every_command_explains_itself() -> None:
    for name in command.list_commands(None):
        helped = CliRunner().invoke(command, [name, "--help"])
        assert (helped.exit_code, name, "Usage:" in helped.output) == (0, name, True), helped.output


def test_every_make_target_that_the_readme_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"`make ([a-z-]+)", (ROOT / "README.md").read_text()))

    assert {target for target in named if not re.search(rf"^{target}:", makefile, re.M)} == set()
    assert named >= {"demo", "test"}

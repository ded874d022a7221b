"""docs/access.md says what web/access.py allows, and the figures that the program holds to."""

import runpy
from pathlib import Path

import pytest

from podhealth.core.words import Role
from podhealth.settings import Settings
from podhealth.store.members import INVITED_FOR
from podhealth.store.resets import GOOD_FOR
from podhealth.store.watchers import IDLE
from podhealth.web.access import RULES, Door
from podhealth.web.forms.password import SHORTEST
from podhealth.web.session import SESSION_LIVES
from podhealth.web.tries import PAUSE_MINUTES

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "access.md").read_text(encoding="utf-8")
MADE = runpy.run_path(str(DOCS / "make_access.py"))


def test_the_page_says_what_each_role_may_do():
    assert MADE["page"](TEXT) == TEXT, "run: python docs/make_access.py"


@pytest.mark.parametrize("role", Role)
def test_no_rule_for_people_and_programs_is_missing(role):
    told = {line.split(" | ")[0].removeprefix("| "): line for line in MADE["table"]().splitlines()}
    column = 1 + MADE["ROLES"].index(role)

    for endpoint, rule in RULES.items():
        part, _, act = endpoint.partition(".")
        if rule.role is role and rule.door is not Door.SOCKET and not act.startswith(("confirm_", "after_")):
            row = told["the API" if rule.door is Door.API else part.replace("_", " ")]
            assert act.replace("_", " ") in row.strip("| ").split(" | ")[column].split(", ")


def test_the_page_tells_the_times_and_counts_of_now():
    rates = [Settings.model_fields[f"{name}_a_minute"].default for name in ("changes", "expensive", "api_reads")]
    sentences = [
        f"after {IDLE.days} days without a click",
        f"{SESSION_LIVES.days} days after signing in",
        f"for {INVITED_FOR.total_seconds() / 3600:.0f} hours",
        f"for {GOOD_FOR.total_seconds() / 60:.0f} minutes",
        f"at least {SHORTEST} characters",
        f"waits {PAUSE_MINUTES} minutes",
        *(f"| {rate:,} |" for rate in rates),
    ]

    assert [s for s in sentences if s not in TEXT] == []

"""Write the table of roles in docs/access.md from podhealth/web/access.py: ``python docs/make_access.py``.

The rules are the truth; this file knows only how to lay them out, and leaves the rest of the page alone.
"""

from pathlib import Path

from podhealth.core.words import Role
from podhealth.web.access import RULES, Door

PAGE = Path(__file__).with_name("access.md")
BEGIN, END = "<!-- made by docs/make_access.py -->\n", "<!-- until here -->\n"
ROLES = (Role.VIEWER, Role.OPERATOR, Role.ADMIN, Role.PLATFORM)
_STEPS = ("confirm_", "after_")  # pages on the way to what is listed


def table() -> str:
    """Return the table: a row for each part of the program, and what each role may do there beside those before it."""
    rows: dict[str, dict[Role, list[str]]] = {}
    for endpoint, rule in RULES.items():
        part, _, act = endpoint.partition(".")
        if rule.role is not None and rule.door is not Door.SOCKET and not act.startswith(_STEPS):
            name = "the API" if rule.door is Door.API else part.replace("_", " ")
            rows.setdefault(name, {}).setdefault(rule.role, []).append(act.replace("_", " "))
    head = f"| part | {' | '.join(role.value for role in ROLES)} |\n{'| --- ' * 5}|\n"
    lines = [
        f"| {name} | {' | '.join(', '.join(acts.get(role, ('–',))) for role in ROLES)} |\n"
        for name, acts in rows.items()
    ]
    return head + "".join(lines)


def page(text: str) -> str:
    """Return the page with the table of now in it."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + "\n" + table() + "\n" + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

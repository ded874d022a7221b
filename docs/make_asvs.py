"""Write docs/asvs.md from docs/asvs.txt and the attacks that tests try: ``PYTHONPATH=. python docs/make_asvs.py``."""

from pathlib import Path
from typing import NamedTuple

from tests.proofs.attacks import ATTACKS, NOT_HERE

FOLDER = Path(__file__).parent
PAGE = FOLDER / "asvs.md"
_CHAPTERS = (
    "Encoding and sanitising",
    "Validation and business logic",
    "Browsers",
    "API",
    "Files",
    "Signing in",
    "Sessions",
    "What each may do",
    "Signed tokens",
    "OAuth",
    "Cryptography",
    "TLS",
    "Configuration",
    "Data",
    "Code",
    "Logs and errors",
    "WebRTC",
)
_STANDARD = "https://owasp.org/www-project-application-security-verification-standard/"
HEAD = f"""# OWASP ASVS 5.0

What shows that PodHealth meets the [Application Security Verification Standard]({_STANDARD})
5.0, level 1 whole and level 2. The words are ours and short; the standard's own say what is meant. `A41` and the like
are attacks that tests try on the running application: `make attacks` counts them. Other proofs are a test by its name,
or a page where something has to be written down. Made by `docs/make_asvs.py` from `docs/asvs.txt`.

"""


class Line(NamedTuple):
    """One requirement. ``proof``: ids, tests, pages; or ``none:`` or ``open:`` with the reason."""

    level: int
    id: str
    about: str
    proof: str

    @property
    def applies(self) -> bool:
        """Whether it is about something that PodHealth has."""
        return not self.proof.startswith("none:")

    @property
    def is_shown(self) -> bool:
        """Whether there is a proof."""
        return self.applies and not self.proof.startswith("open:")


def lines() -> list[Line]:
    """Return the requirements of levels 1 and 2, in order."""
    found = []
    for text in (FOLDER / "asvs.txt").read_text(encoding="utf-8").splitlines():
        if text and not text.startswith("#"):
            level, name, about, proof = (part.strip() for part in text.split(" | "))
            found.append(Line(int(level), name, about, proof))
    return found


def _shown(line: Line) -> str:
    if not line.is_shown:
        kind, _, reason = line.proof.partition(": ")
        return ("does not apply: " if kind == "none" else "**not done:** ") + reason
    words = []
    for part in line.proof.split():
        if part in ATTACKS:
            reason = f" (not here: {NOT_HERE[part]})" if part in NOT_HERE else ""
            words.append(f"{part} {ATTACKS[part].what}{reason}")
        elif part.startswith("docs/"):
            words.append(f"[{Path(part).stem}]({Path(part).name})")
        else:
            file, _, test = part.partition("::")
            words.append(f"`{file}`: {test.removeprefix('test_').replace('_', ' ')}")
    return "; ".join(words)


def page() -> str:
    """Return the page."""
    every = lines()
    text = HEAD + "| level | requirements | apply | shown | not done |\n| --- | --- | --- | --- | --- |\n"
    for level in (1, 2):
        mine = [line for line in every if line.level == level]
        apply = [line for line in mine if line.applies]
        shown = [line for line in apply if line.is_shown]
        text += f"| {level} | {len(mine)} | {len(apply)} | {len(shown)} | {len(apply) - len(shown)} |\n"
    for number, chapter in enumerate(_CHAPTERS, 1):
        text += f"\n## {number}. {chapter}\n\n| id | level | about | shown by |\n| --- | --- | --- | --- |\n"
        for line in every:
            if line.id.split(".")[0] == str(number):
                text += f"| {line.id} | {line.level} | {line.about} | {_shown(line)} |\n"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

"""Fragments of the overview: rendered outside any request, one root with an id, names are text, words have pictures."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from podhealth.core.words import Action, Gate, HealState, Mode, Outcome, Phase, Status
from podhealth.live.render import TEMPLATES, ViewerNameError, _environment, fragment
from podhealth.store.needs import Need, NeedKind, NeedsYou
from podhealth.store.overview import Counts, Doubt, Healing, Mark, PodCard
from podhealth.store.podfilters import GroupBy
from podhealth.store.podgroups import Group
from podhealth.store.strips import Month, Run, Strip

NOW = datetime(2026, 11, 24, 10, 2, 11, tzinfo=UTC)
STRIP = Strip(
    buckets=48,
    runs=(Run(0, 8, "none"), Run(8, 20, "healthy"), Run(28, 12, "unknown"), Run(40, 8, "unhealthy")),
    notches=(Run(12, 1, "degraded"),),
    sentence="web-1, last 24 h: healthy but for 4 h unhealthy",
    uptime="97.08 %",
    coverage="62 %",
)
CARD = PodCard(
    pod_id=7,
    path="/pods/7",
    name="web-1",
    node="node-3",
    tags=("web", "prod"),
    mark=Mark(Status.UNHEALTHY, NOW, Phase.MONITORED, NOW, None, False),
    why="http: answered 502",
    doubt=None,
    healing=Healing(HealState.VERIFYING, Action.RESTART, 1, 2, None, NOW),
    strip=STRIP,
    month=Month("99.42 %", "62 %"),
    acknowledged_by=None,
)
NEEDS = NeedsYou(
    (
        Need(NeedKind.APPROVAL, 7, "web-1", "/approvals/3", NOW, Action.RESTART, 3),
        Need(NeedKind.EXHAUSTED, 8, "web-2", "/pods/8", NOW),
        Need(NeedKind.CHRONIC, 9, "web-3", "/pods/9", NOW),
    ),
    2,
)
COUNTS = Counts(5000, 3, 5, 2, 4990, 6, 2, 1, 4, 2, 1)
NONE = Counts(*[0] * 11)
GROUP = Group(3, "node-3", "unhealthy", 7, 12, is_held=True)
BOLD = "<b>bold</b>"
VIEWS = [
    pytest.param("nav_counts", COUNTS, "nav-counts", id="nav_counts"),
    pytest.param("nav_counts", NONE, "nav-counts", id="nav_counts, nothing wrong"),
    pytest.param("overview_counts", COUNTS, "overview-counts", id="overview_counts"),
    pytest.param("overview_counts", NONE, "overview-counts", id="overview_counts, no pods"),
    pytest.param("needs_you", NEEDS, "needs-you", id="needs_you"),
    pytest.param("needs_you", NeedsYou((), 0), "needs-you", id="needs_you, nothing"),
    pytest.param("pod_card", CARD, "pod-card-7", id="pod_card"),
    pytest.param("pod_row", CARD, "pod-row-7", id="pod_row"),
    pytest.param("pod_group", GROUP, "group-node-3", id="pod_group"),
    pytest.param("pod_group", GROUP._replace(by=GroupBy.TAG, key=None), "group-tag-0", id="pod_group, no tag"),
]


class Roots(HTMLParser):
    """The elements that stand in no other, each with its id; and all text."""

    VOID = frozenset({"input", "br", "hr", "img"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.roots: list[str | None] = []
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(str(html))
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self.open:
            self.roots.append(dict(attrs).get("id"))
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        assert self.open or not data.strip(), f"text outside the root: {data!r}"
        self.text += data


def words(name: str) -> dict[str, str]:
    return getattr(_environment().get_template("macros/words.html").module, name)


def text_of(card: PodCard, name: str = "pod_card") -> str:
    return " ".join(Roots(fragment(name, card)).text.split())


def marked(status: Status, phase: Phase = Phase.MONITORED, is_flapping: bool = False) -> PodCard:
    until = NOW + timedelta(minutes=5) if phase in (Phase.STARTING, Phase.MAINTENANCE) else None
    return replace(CARD, mark=Mark(status, NOW, phase, NOW, until, is_flapping), why=None, healing=None)


@pytest.mark.parametrize(("name", "view", "element_id"), VIEWS)
def test_a_fragment_has_one_root_with_a_stable_id(name: str, view: object, element_id: str):
    html = fragment(name, view)

    assert Roots(html).roots == [element_id]
    assert html == fragment(name, view)
    assert not any(word in html for word in ("style=", "onclick", "hx-on", "csrf"))


@pytest.mark.parametrize("name", ["pod_card", "pod_row"])
@pytest.mark.attack("A51")
def test_what_people_named_is_text(name: str):
    parsed = Roots(
        fragment(
            name,
            replace(
                CARD,
                name=BOLD,
                node=BOLD,
                tags=(BOLD,),
                why=BOLD,
                strip=replace(STRIP, sentence=f'"{BOLD}'),
                healing=Healing(None, None, 0, 0, Gate.PROVIDER, None, BOLD),
            ),
        )
    )

    assert "b" not in parsed.tags
    assert parsed.text.count(BOLD) >= 4


@pytest.mark.parametrize("name", ["pod_card", "pod_row"])
@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("phase", Phase)
def test_status_and_phase_are_said_in_words(name: str, status: Status, phase: Phase):
    text = text_of(marked(status, phase), name)

    said = words("phase_words")[phase] if phase != Phase.MONITORED else words("status_words")[status]
    assert said in text


@pytest.mark.parametrize("name", ["pod_card", "pod_row"])
def test_who_has_a_pods_trouble_is_said_beside_it(name: str):
    assert "Acknowledged by ann@acme.example." in text_of(replace(CARD, acknowledged_by="ann@acme.example"), name)
    assert "Acknowledged" not in text_of(CARD, name)


@pytest.mark.parametrize("name", ["pod_card", "pod_row"])
def test_the_uptime_of_a_month_names_how_much_of_it_was_measured(name: str):
    assert "99.42 % (62 % covered)" in text_of(CARD, name)
    assert "covered" not in text_of(replace(CARD, month=Month("99.42 %", None)), name)


def test_what_needs_somebody_is_said_with_its_end_and_names_what_is_left_out():
    text = " ".join(Roots(fragment("needs_you", NEEDS)).text.split())

    assert "web-1 wants to restart, until 24 Nov, 10:02 UTC" in text
    assert "web-2 exhausted, since 24 Nov, 10:02 UTC" in text
    assert "web-3 chronic: healed too often" in text
    assert "and 2 more" in text
    assert "hidden" in str(fragment("needs_you", NeedsYou((), 0))).split(">")[0]


def test_a_stopped_pod_shows_only_its_phase_and_an_unreachable_one_what_it_was():
    assert "Unhealthy" not in text_of(marked(Status.UNHEALTHY, Phase.STOPPED))
    assert "Unreachable was healthy" in text_of(marked(Status.HEALTHY, Phase.UNREACHABLE))


@pytest.mark.parametrize(
    ("healing", "said", "sign"),
    [
        (CARD.healing, "Restart 1 of 2, verifying until", "heal-verifying"),
        (Healing(HealState.RUNNING, Action.MIGRATE, 1, 1, None, None), "Migrate, running", "heal-running"),
        (Healing(None, None, 0, 0, Gate.COOLDOWN, NOW, "Cooldown until 10:02"), "Cooldown until 24 Nov", "held"),
        (Healing(None, None, 0, 0, Gate.PROVIDER, None, "Locked: backup"), "Locked: backup", "held"),
        (Healing(None, None, 0, 0, Gate.SETTLING, None, None), "Settling", "held"),
        (Healing(None, None, 0, 0, Gate.LADDER, None), "Exhausted", "exhausted"),
        (Healing(None, None, 0, 0, Gate.MODE, None, "Would restart"), "Would restart", "would"),
        (Healing(None, None, 0, 0, Gate.MODE, None, "Wants to restart"), "Wants to restart", "approval"),
    ],
)
def test_the_healing_line_says_what_is_done_or_what_holds_it(healing: Healing, said: str, sign: str):
    card = replace(CARD, healing=healing)

    assert said in text_of(card)
    assert f'href="#i-{sign}"' in fragment("pod_row", card)


def test_doubt_is_counted_before_the_verdict():
    assert "1 of 3 failures" in text_of(replace(CARD, doubt=Doubt(1, 3)))


def test_missing_data_is_not_drawn_as_anything_measured():
    html = fragment(
        "pod_card",
        replace(CARD, strip=Strip(48, (Run(0, 48, "none"),), (), "not measured", None, None), month=Month(None, None)),
    )

    assert 'class="s-none"' in html
    assert "<rect" not in html
    assert "–" in Roots(html).text


def test_every_word_has_its_word_and_every_picture_is_in_the_sprite():
    sprite = (Path(TEMPLATES) / "macros" / "sprite.html").read_text()
    icons = [*Status, *Phase, *(f"heal-{state}" for state in HealState)]
    icons += ["flapping", "would", "held", "approval", "exhausted", "acknowledged", "snoozed"]
    icons += ["menu", "search", "close", "up", "down", "plus", "theme"]

    assert [icon for icon in icons if f'<symbol id="i-{icon}" viewBox="0 0 16 16">' not in sprite] == []
    for enum, name in (
        (Status, "status_words"),
        (Phase, "phase_words"),
        (Action, "action_words"),
        (HealState, "heal_words"),
        (Outcome, "outcome_words"),
        (Mode, "mode_words"),
        (Gate, "gate_words"),
    ):
        assert words(name).keys() == set(enum), name


def test_a_fragment_that_asks_who_watches_is_refused():
    template = _environment().from_string("{% if request %}yes{% endif %}")

    with pytest.raises(ViewerNameError, match="rendered once for all"):
        template.render()

"""The last question of settling: was it the pod, or the network that it is seen through? A reference tells.

Asked only where its answer could let a heal pass; what a reference is, and who probes it, is unknown here.
"""

from collections.abc import Sequence
from datetime import timedelta

from podhealth.core.answers import Closed, clock_text
from podhealth.core.facts import CheckFacts, Facts
from podhealth.core.places import REFERENCE_EVERY_S
from podhealth.core.words import Outcome

WAITS_FOR_REFERENCE = "waits for a reference"
# The next reference is begun about REFERENCE_EVERY_S after the last one, and its answer stored a moment later.
_NEXT = timedelta(seconds=REFERENCE_EVERY_S + 0.5)
_SOONEST = timedelta(seconds=1)


def waits_for_reference(facts: Facts, found: Sequence[CheckFacts]) -> Closed | None:
    """Return why a heal must wait for a reference probe; null where one begun after the last counted fail came back ok.

    ``found``: the checks that trigger it. A vantage without references is believed (behaviour §6, Settling).
    """
    fails = [c for c in found if c.last_outcome == Outcome.FAIL and c.last_at is not None]
    if facts.references is None or not fails:
        return None
    newest = max(fails, key=lambda c: (c.last_at, c.check_id))
    good = facts.references.good_begun_at
    assert newest.last_at is not None  # those without were left out
    if good is not None and good > newest.last_at:
        return None
    vantage = facts.references.vantage
    reason = (
        f"{newest.name} failed at {clock_text(newest.last_at)} UTC; nothing is done before a reference target "
        f"of vantage {vantage} has answered since."
    )
    ask_at = max(facts.now + _SOONEST, good + _NEXT if good is not None else facts.now + _NEXT)
    inputs = {"check": newest.name, "vantage": vantage, "goodBegunAt": good}
    return Closed(reason[:300], "Checks its own network", None, inputs, WAITS_FOR_REFERENCE, ask_at)

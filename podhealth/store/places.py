"""The step of the tick that looks at the places around pods: vantages first, for a blind one proves nothing of a node.

Rules are in core/places; what follows is in store/blindness and store/nodes.
"""

import sqlalchemy as sa

from podhealth.store import blindness, nodes


def watch(engine: sa.Engine) -> dict[int, int]:
    """Find blind vantages and unreachable nodes, and those that are back (tick); return the newest feed numbers."""
    return blindness.watch(engine) | nodes.watch(engine)

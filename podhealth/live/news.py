"""What is told as it happens: toasts, and calls to whoever wants to be called; many of one sort are told as one.

Which of it is on somebody's screen anyway, only the browser knows: pods that have turned are named by their ids.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from podhealth.store import nodes
from podhealth.store.feed import FeedRow

ONE_BY_ONE = 3
_MOST_OTHERS = 10

Toast = dict[str, Any]


def of(row: FeedRow, note: Mapping[str, Any]) -> Toast | None:
    """Return what a change tells: ``text`` and ``tone``, ``turned`` where the pod is now what the tone says.

    Or ``alert``, the words for who wants to be called when the ``incident`` begins; null where it tells nothing.
    """
    if "alert" in note:
        return {"alert": note["alert"], "incident": row.object_id}
    if "text" not in note:
        return None
    turned = {"turned": True} if note.get("turned") else {}
    return {"text": note["text"], "tone": note.get("tone"), "pod": row.pod_id} | turned


def grouped(conn: sa.Connection, tenant_id: int, toasts: Sequence[Toast]) -> tuple[Toast, ...]:
    """Return the news of one frame, pods that have turned gathered by tone and node where they are many.

    A gathered one is ``{"tone", "pods", "where"}``; ``where`` is the name of the node they share, or null.
    """
    alerts = [one for one in toasts if "alert" in one]
    turned = [one for one in toasts if one.get("turned") and one.get("pod") is not None]
    others = [one for one in toasts if "alert" not in one and one not in turned]
    if len(turned) > ONE_BY_ONE:
        turned = _gathered(turned, nodes.names_of_pods(conn, tenant_id, [one["pod"] for one in turned]))
    return (*alerts[:_MOST_OTHERS], *others[-_MOST_OTHERS:], *turned)


def _gathered(turned: Sequence[Toast], names: Mapping[int, str]) -> list[Toast]:
    pods: dict[tuple[str, str | None], list[int]] = defaultdict(list)
    for one in turned:
        pods[one["tone"], names.get(one["pod"])].append(one["pod"])
    if len(pods) > ONE_BY_ONE:  # nodes of their own say less than one number
        together: dict[tuple[str, str | None], list[int]] = defaultdict(list)
        for (tone, _), ids in pods.items():
            together[tone, None] += ids
        pods = together
    return [{"tone": tone, "pods": ids, "where": where} for (tone, where), ids in pods.items()]

"""What stands above each page of one policy: its name, who saved it last, its figures, the links to its pages.

Also how a page number is read from an address, and the way through long lists.
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask import request

from podhealth.store import policies, policy_now
from podhealth.store.policy_pods import BoundPods
from podhealth.web.session import current_scope
from podhealth.web.shell import Shell, open_shell

TABS = {"rules": "Rules", "pods": "Pods", "replay": "Replay", "versions": "Versions", "effect": "Effect"}


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a policy's pages. ``now``: the view of fragment policy_now, ``figures``: of policy_figures."""

    policy: Any
    tab: str
    tabs: tuple[tuple[str, str, bool], ...]
    now: policy_now.PolicyNow
    figures: policy_now.PolicyFigures
    is_bent: bool = False


def head_of(conn: sa.Connection, policy_id: int, tab: str, is_bent: bool = False) -> tuple[Shell, Head]:
    """Return the shell and the head of one policy. Raises NotFound where the tenant has none of that id."""
    scope = current_scope()
    shell = open_shell(conn)
    row = policies.get_policy(conn, scope, policy_id)
    path = f"/policies/{policy_id}"
    tabs = tuple((word, path if name == "rules" else f"{path}?tab={name}", name == tab) for name, word in TABS.items())
    now = policy_now.versions_now(conn, scope.tenant_id, [policy_id])[policy_id]
    figures = policy_now.figures_now(conn, scope.tenant_id, [policy_id], shell.now)[policy_id]
    return shell, Head(row, tab, tabs, now, figures, is_bent)


def asked_number(name: str, default: int, most: int = 100_000) -> tuple[int, bool]:
    """Return a number of the address from 1 on, and whether one was given that is none: then ``default``."""
    text = request.args.get(name)
    if text is None:
        return default, False
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 18 and 1 <= int(text) <= most):
        return default, True
    return int(text), False


@dataclass(frozen=True, slots=True)
class Pager:
    """The way through a list, as macro ``pager`` takes it."""

    text: str
    here: int
    last: int
    steps: tuple[Any, ...]
    previous_path: str | None
    next_path: str | None


def pager(found: BoundPods, path: str) -> Pager:
    """Return the way through; ``path`` ends where ``page=`` may follow."""
    return pager_of(found.total, "pod", found.page, found.pages, path)


def pager_of(total: int, noun: str, here: int, last: int, path: str) -> Pager:
    """Return the way through a list of so many of what ``noun`` says."""
    return Pager(
        f"{total:,} {noun}{'' if total == 1 else 's'}",
        here,
        last,
        (),
        f"{path}page={here - 1}" if here > 1 else None,
        f"{path}page={here + 1}" if here < last else None,
    )

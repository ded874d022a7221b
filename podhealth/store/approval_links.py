"""Signed links by which a question can be answered without signing in, by whoever it was sent to.

A link names one question and whom it was sent to, under SECRET_KEY; its end is the question's own, so it is worth
nothing after 60 minutes, after an answer, and after recovery.
"""

from hashlib import sha256
from typing import NamedTuple

from itsdangerous import BadData, URLSafeSerializer

from podhealth.core.words import Actor, Role
from podhealth.store.secrets import held_key
from podhealth.store.tenancy import Scope

_SALT = "podhealth approval link 1"
_LONGEST = 120


class Link(NamedTuple):
    """What a genuine link says."""

    approval_id: int
    sent_to: str


def link_for(approval_id: int, sent_to: str, public_url: str) -> str:
    """Return the address at which a question can be answered; ``sent_to`` is what the audit trail calls its reader.

    It is as good as a password while the question is open: it belongs into the message, and into no log.
    """
    return f"{public_url.rstrip('/')}/approve/{token_for(approval_id, sent_to)}"


def token_for(approval_id: int, sent_to: str) -> str:
    """Return the signed part of a link."""
    return str(_serializer().dumps([approval_id, sent_to[:_LONGEST]]))


def read_token(token: str) -> Link | None:
    """Return what a link says; null where it is not one of ours."""
    try:
        said = _serializer().loads(token)
    except BadData:
        return None
    return Link(int(said[0]), str(said[1]))


def scope_of_link(link: Link, tenant_id: int, address: str | None) -> Scope:
    """Return in whose name a link acts: an operator's, for the tenant of its question."""
    return Scope(tenant_id, Role.OPERATOR, Actor.TOKEN, f"approval link sent to {link.sent_to}", address)


def _serializer() -> URLSafeSerializer:
    return URLSafeSerializer(held_key(), salt=_SALT, signer_kwargs={"digest_method": sha256})

"""Reads the form of a node: its name and its address."""

from collections.abc import Mapping, Sequence

from podhealth.core.errors import InputError
from podhealth.core.node_rules import NodeRules, parse_node
from podhealth.web.forms.collect import EditForm, Fields, posted_texts, read_all, text_of

LABELS = {"name": "Name", "address": "Address"}
_PLAIN = {"name": "x", "address": None}

NodeForm = EditForm[Fields]


def form_of(rules: NodeRules | None) -> NodeForm:
    """Return the form as it shows a stored node; null: one that is not stored yet."""
    rules = rules or NodeRules("")
    return EditForm({"name": rules.name, "address": text_of(rules.address)})


def read_form(posted: Mapping[str, str], networks: Sequence[str]) -> NodeForm:
    """Return what was sent; its ``rules`` are the fields to store."""
    values = {name: text.strip() for name, text in posted_texts(posted, tuple(LABELS)).items()}
    fields: Fields = {"name": values["name"], "address": values["address"] or None}
    rules, refused = read_all(lambda asked: parse_node(asked, networks), fields, _take_out)
    return EditForm(values, None if rules is None else fields, refused)


def refused_by_store(form: NodeForm, refused: InputError) -> NodeForm:
    """Return the form with what the store refused beside its field."""
    return form.refused(refused.field, refused.message)


def _take_out(fields: Fields, name: str) -> None:
    fields[name] = _PLAIN[name]

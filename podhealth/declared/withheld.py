"""Whether a file may hold a secret itself, against the rule: then nobody shows it again.

Of a file that can be read the fields say it; of another its text is looked through, and a doubt counts as a yes.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

from podhealth.core.channel_fields import CHANNEL_SECRETS
from podhealth.core.provider_fields import SECRETS
from podhealth.core.words import Declared
from podhealth.declared.document import Document, Entry, read_document
from podhealth.declared.faults import FileError
from podhealth.declared.secrets import is_reference

_CONFIG = {Declared.POD: "providerConfig", Declared.CHANNEL: "config"}
_OF_CHANNELS = {kind.value: names for kind, names in CHANNEL_SECRETS.items()}
_ANY = SECRETS.union(*CHANNEL_SECRETS.values())
_FIELD = re.compile(rf"\b(?:{'|'.join(sorted(_ANY))})[\"']?\s*:(?!\s*[\"']?(?:\$\{{|file:))")


def may_hold_secret(text: str) -> bool:
    """Return whether a secret may stand in the file where a reference to it should."""
    try:
        document = read_document(text)
    except FileError:
        return _FIELD.search(text) is not None
    return _is_any_plain(document)


def _is_any_plain(document: Document) -> bool:
    return any(
        _holds(entry.fields.get(field), _names(entry)) for noun, field in _CONFIG.items() for entry in document.of(noun)
    )


def _names(entry: Entry) -> Collection[str]:
    kind = entry.fields.get("kind")
    return SECRETS if entry.noun is Declared.POD else _OF_CHANNELS.get(kind if isinstance(kind, str) else "", _ANY)


def _holds(config: Any, names: Collection[str]) -> bool:
    if not isinstance(config, Mapping):
        return config is not None
    return any(config.get(name) is not None and not is_reference(config[name]) for name in names)

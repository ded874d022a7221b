"""Entity tags of what the API answers: to ask only for what is new, and to change only what was read.

The tag of an object that counts its edits begins with its version: ``"7-3f2a…"``. ``If-Match`` looks at the version
alone, since what changes by itself (a time last seen) is no edit of anybody's.
"""

import re
from hashlib import sha256

from flask import Response, request

from podhealth.core.errors import Stale

_ENOUGH = 16
_NONE = -1
_TAG = re.compile(r'(?:W/)?"([0-9]{1,18})(?:-[0-9a-f]+)?"')


def conditional(response: Response) -> Response:
    """Give an answer its tag; 304 without a body where the caller has it already."""
    if response.status_code == 200 and response.is_json and not response.is_streamed:
        _set(response)
        response.make_conditional(request)
        if response.status_code == 304:
            response.headers.pop("Content-Type", None)
    return response


def of_an_edited(response: Response) -> Response:
    """Give an answer that holds an object with its version the tag that a GET would give it."""
    if response.status_code in (200, 201) and response.is_json and _version(response) is not None:
        _set(response)
    return response


def _set(response: Response) -> None:
    version = _version(response)
    mark = sha256(response.get_data()).hexdigest()[:_ENOUGH]
    response.set_etag(mark if version is None else f"{version}-{mark}")


def _version(response: Response) -> int | None:
    found = response.get_json(silent=True)
    version = found.get("version") if isinstance(found, dict) else None
    return version if type(version) is int else None


def wanted() -> int | None:
    """Return the version that ``If-Match`` names, null where it names none; one that is no tag of ours fits nothing."""
    given = request.headers.get("If-Match", "").strip()
    if given in ("", "*"):
        return None
    found = _TAG.fullmatch(given)
    return _NONE if found is None else int(found[1])


def require(version: int | None, present: int) -> None:
    """Raise Stale where an edit is of another version than the stored one; under the object's lock."""
    if version is not None and version != present:
        raise Stale("it was changed meanwhile", present)

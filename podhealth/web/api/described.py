"""The description of the API itself: ``/api/openapi.json``, for everybody, since it holds nothing of anybody's."""

from flask import current_app, jsonify
from flask.typing import ResponseReturnValue

from podhealth.web.api import api, document
from podhealth.web.api.declare import reads
from podhealth.web.api.schema import OBJECT


@api.get("/openapi.json")
@reads("API", OBJECT)
def openapi() -> ResponseReturnValue:
    """Answer this document (OpenAPI 3.1)."""
    return jsonify(document.document(current_app._get_current_object()))  # type: ignore[attr-defined]

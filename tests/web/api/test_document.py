"""The API's document: all routes, and nothing else, with the role that each needs; where it can be had."""

import json
import re

import pytest
import yaml
from click.testing import CliRunner
from openapi_spec_validator import OpenAPIV31SpecValidator

from podhealth.cli.openapi import openapi
from podhealth.core.errors import SetupError
from podhealth.web.access import RULES
from podhealth.web.api import document
from tests.support import cast

site = cast.site
APP = cast.an_app("sqlite:///nowhere.db")
DOCUMENT = document.document(APP)


def _camel(path):
    named = re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", r"{\1}", path)
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), named)


def test_every_route_of_the_api_is_described_with_its_role_and_nothing_else_is():
    routes = {
        (_camel(route.rule), method): (rule := RULES[route.endpoint]).role and rule.role.value
        for route in APP.url_map.iter_rules()
        for method in route.methods - {"HEAD", "OPTIONS"}
        if route.endpoint.startswith("api.")
    }

    described = {
        (path, method.upper()): operation.get("x-role")
        for path, operations in DOCUMENT["paths"].items()
        for method, operation in operations.items()
    }

    assert described == routes
    assert all(path.startswith("/api/") for path, _ in routes)


def test_the_document_is_one_by_the_rules_of_openapi():
    errors = OpenAPIV31SpecValidator(json.loads(json.dumps(DOCUMENT))).iter_errors()

    assert [error.message for error in errors] == []


def test_each_operation_has_a_name_of_its_own_and_says_what_it_does():
    operations = [one for path in DOCUMENT["paths"].values() for one in path.values()]

    assert len({one["operationId"] for one in operations}) == len(operations)
    assert all(one["summary"].endswith((".", ":")) for one in operations)


def test_a_route_that_declares_nothing_keeps_the_app_from_starting():
    app = cast.an_app("sqlite:///nowhere.db")
    app.add_url_rule("/api/backdoor", "api.backdoor", lambda: "")

    with pytest.raises(SetupError, match=r"api\.backdoor declares nothing"):
        document.require_declared(app)


def test_the_document_is_served_to_everybody_and_not_twice_to_who_has_it(site):
    first = site.nobody().get("/api/openapi.json")
    again = site.nobody().get("/api/openapi.json", headers={"If-None-Match": first.headers["ETag"]})

    assert first.json == json.loads(json.dumps(DOCUMENT))
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(("more", "read"), [([], json.loads), (["--yaml"], yaml.safe_load)])
def test_the_command_prints_it(more, read):
    printed = CliRunner().invoke(openapi, more)

    assert read(printed.output) == json.loads(json.dumps(DOCUMENT))

"""``podhealth openapi``: print the API's document. Needs no installation: it is made of routes and rules alone."""

import json

import click
import yaml
from flask import Flask

from podhealth.web.api import api
from podhealth.web.api.document import document
from podhealth.web.ids import IdConverter


@click.command()
@click.option("--yaml", "is_yaml", is_flag=True, help="As YAML in place of JSON.")
def openapi(is_yaml: bool) -> None:
    """Print the OpenAPI 3.1 document of the API."""
    shown = json.dumps(document(_routes_alone()), indent=2, ensure_ascii=False)
    click.echo(yaml.safe_dump(json.loads(shown), sort_keys=False, allow_unicode=True) if is_yaml else shown)


def _routes_alone() -> Flask:
    app = Flask("podhealth", static_folder=None)
    app.url_map.converters["id"] = IdConverter
    app.register_blueprint(api)
    return app

"""Values that no page of ours sends, in every field that the API describes, every query and every check."""

import csv
import io
import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from podhealth.core.check_rules import parse_check
from podhealth.core.errors import InputError
from podhealth.core.words import Kind
from podhealth.web.access import RULES, Door
from podhealth.web.sheets import plain
from tests.probing.conftest import Asker
from tests.support import cast, matrix, rows
from tests.support.answers import faults_of
from tests.support.cast import Site
from tests.support.corpora import corpus
from tests.support.depth import is_deep
from tests.support.listeners import Listener, page

site = cast.site


@pytest.fixture(scope="module")
def asker() -> Iterator[Asker]:
    """A prober."""
    with Asker() as asker:
        yield asker


pytestmark = pytest.mark.slow
sqlite_only = pytest.mark.parametrize("site", ["sqlite"], indirect=True, scope="module")

SQL = ["' OR 1=1 --", "'; DROP TABLE pods; --", "1 UNION SELECT password FROM users", "\\", "%", "_", "')) OR (('1'='1"]


def _bodies(site: Site) -> list[tuple[str, str, dict[str, Any]]]:
    """Each operation of the API that reads a body, with the schema of what it takes."""
    document = site.program("viewer").get("/api/openapi.json").json
    house = {"podId": site.acme.pod_id, "checkId": site.acme.check_id, "policyId": site.acme.policy_id}
    house |= {"windowId": site.acme.window_id, "nodeId": site.acme.node_id, "healId": site.acme.heal_id}
    found = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                for schema in content["schema"].get("anyOf", [content["schema"]]):
                    while "$ref" in schema:
                        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
                    address = path
                    for name, number in house.items():
                        address = address.replace(f"{{{name}}}", str(number))
                    found.append((method.upper(), address.replace("{", "").replace("}", ""), schema))
    return [one for one in found if "heartbeats" not in one[1]]


def _allows(schema: dict[str, Any]) -> set[str]:
    kinds = schema.get("type", [])
    alone = {kinds} if isinstance(kinds, str) else set(kinds)
    return alone.union(*(_allows(one) for one in schema.get("anyOf", [])))


KINDS = {"null": type(None), "boolean": bool, "object": dict, "array": list, "string": str}


@sqlite_only
@pytest.mark.attack("A64", "A65")
def test_no_value_of_another_type_is_taken_for_one_of_its_field(site: Site) -> None:
    admin, watch, wrong, tried = site.program("admin"), rows.Watch(site.engine), [], 0
    turn = itertools.cycle(corpus("J"))
    for method, address, schema in _bodies(site):
        for name, field in schema.get("properties", {}).items():
            for text in corpus("J") if is_deep() else [next(turn) for _ in range(5)]:
                value = _read(text)
                if not any(isinstance(value, KINDS[kind]) for kind in KINDS if kind not in _allows(field)):
                    continue
                tried += 1
                answer = admin.send(method, address, data=f'{{"{name}": {text}}}', content_type="application/json")
                told = answer.status_code in (400, 404, 409, 422) and not list(faults_of(answer))
                if not told or watch.stored():
                    wrong.append((method, address, name, text[:40], answer.status_code))
    watch.close()

    assert tried > 500
    assert wrong == []


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return 0


PATHS = matrix.paths(cast.an_app("sqlite:///nowhere.db"))
LISTS = [p for p in PATHS if "GET" in p.endpoints and RULES[p.endpoints["GET"]].door is Door.API]


@sqlite_only
@pytest.mark.attack("A58", "A65", "A70")
def test_no_query_of_the_api_takes_sql_or_numbers_beyond_its_bounds(site: Site) -> None:
    document = site.program("viewer").get("/api/openapi.json").json
    admin, watch, wrong, tried = site.program("admin"), rows.Watch(site.engine), [], 0
    numbers = itertools.cycle(corpus("N"))
    for path in LISTS:
        address = matrix.address(site, path, matrix.Cell(matrix.IDENTITIES[10], "GET", path.which[0]))
        described = document["paths"].get(path.text.replace("<id:", "{").replace(">", "}"), {}) or _described(
            document, path
        )
        for parameter in described.get("get", {}).get("parameters", []):
            if parameter["in"] != "query":
                continue
            is_number = parameter["schema"].get("type") == "integer"
            texts = [next(numbers) for _ in range(4)] + ["1000000000"] if is_number else [*SQL, *corpus("U")[-6:-1]]
            for text in texts:
                tried += 1
                answer = admin.get(address, query_string={parameter["name"]: text.encode("utf-8", "surrogatepass")})
                is_refused = answer.status_code in (400, 404, 422)
                is_bad = list(faults_of(answer)) or watch.stored() or not (is_refused or answer.status_code == 200)
                if is_bad or (is_number and text and not is_refused):
                    wrong.append((address, parameter["name"], text[:30], answer.status_code))
    watch.close()

    assert tried > 100
    assert wrong == []


def _described(document: dict[str, Any], path: matrix.Path) -> dict[str, Any]:
    """The route's entry in the document, whatever its ids are called there."""
    wanted = [part if not part.startswith("<") else None for part in path.text.split("/")]
    for text, entry in document["paths"].items():
        found = [part if not part.startswith("{") else None for part in text.split("/")]
        if found == wanted:
            return dict(entry)
    return {}


@pytest.mark.attack("A58")
def test_what_searches_know_as_signs_is_text_that_is_searched_for(site: Site) -> None:
    name = site.a_pod(f"odd%name_{site.engine.dialect.name}")
    ann = site.browser("ann")
    found = {
        text: f"/pods/{name}" in ann.get("/pods", query_string={"q": text}).text
        for text in ("odd%", "e_", "d%n", *SQL, "odd_name", "%%")
    }

    assert found == {**dict.fromkeys(found, False), "odd%": True, "e_": True, "d%n": True, "%": True, "_": True}


@pytest.mark.attack("A69")
def test_no_pattern_takes_longer_than_its_text(asker: Asker) -> None:
    body, took = b"a" * 60_000 + b"!", {}
    with Listener(page(200, body)) as far:
        for pattern in corpus("E"):
            try:
                parse_check({"checkType": "http", "config": {"bodyRegex": pattern}})
            except InputError:
                continue  # not for the linear engine: refused when it is saved
            begun = time.process_time()
            found = asker.ask(config={"port": far.port, "bodyRegex": pattern})
            took[pattern] = time.process_time() - begun
            assert found.code in (None, "body", "bodyRegex"), pattern

    assert len(took) > 10
    assert {pattern: spent for pattern, spent in took.items() if spent > 0.25} == {}


@pytest.mark.attack("A54")
def test_no_header_of_the_corpus_is_saved_or_sent(site: Site, asker: Asker) -> None:
    admin, let_in = site.program("admin"), []
    before = rows.marks(site.engine)
    with Listener(page()) as far:
        for name, value in corpus("H"):
            config = {"headers": {name: value}}
            saved = admin.put(
                f"/api/cloud-pods/{site.acme.pod_id}/health/config", json={"checkType": "http", "config": config}
            )
            sent = asker.ask(Kind.HTTP, config={"port": far.port, **config})
            if saved.status_code != 422 or sent.code != "headers":
                let_in.append((name, value, saved.status_code, sent.code))

    assert let_in == []
    assert far.connections == 0
    assert rows.changed(before, rows.marks(site.engine)) == []


@pytest.mark.attack("A59")
def test_no_cell_of_the_corpus_is_a_formula_and_each_comes_back_whole() -> None:
    sheet = io.StringIO()
    csv.writer(sheet).writerows([[plain(cell), "next"] for cell in corpus("C")])
    read = list(csv.reader(io.StringIO(sheet.getvalue(), newline="")))
    starts = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

    assert [(cell[0][:1] == "'") for cell in read] == [cell.startswith(starts) for cell in corpus("C")]
    assert [cell[0].removeprefix("'") for cell in read] == corpus("C")
    assert {cell[1] for cell in read} == {"next"}

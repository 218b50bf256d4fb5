"""The description of the API: complete, true to its own schemas, and changed only on purpose."""

import re
from pathlib import Path

import jsonschema_rs
import pytest
from fastapi.routing import APIRoute

from app.api import lanes, openapi
from app.api.routing import PREFIX, StrictRoute
from app.main import create_app
from app.settings import Settings

FROZEN = Path(__file__).parents[2] / "docs" / "openapi.json"
PROBLEM = "application/problem+json"
APP = create_app(Settings(database_url="", public_url="", secret_key=""))
DOCUMENT = APP.openapi()
ROUTES = [route for route in APP.routes if isinstance(route, APIRoute) and route.include_in_schema]
OPERATIONS = [
    pytest.param(path, method, operation, id=f"{method.upper()} {path}")
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]


def test_the_document_is_reviewed():
    assert FROZEN.read_text(encoding="utf-8") == openapi.frozen(APP), "run `make openapi` and review the difference"


def test_every_route_is_documented_and_reads_strict_json():
    documented = {(path, method.upper()) for path, methods in DOCUMENT["paths"].items() for method in methods}
    served = {(route.path_format, method) for route in ROUTES for method in route.methods}
    assert served == documented
    hidden = [route.path for route in APP.routes if getattr(route, "path", "").startswith(PREFIX)]
    assert sorted(hidden) == sorted(route.path for route in ROUTES if route.path.startswith(PREFIX))
    lenient = [route.path for route in ROUTES if route.body_field and not isinstance(route, StrictRoute)]
    assert lenient == ["/api/v1/batch"]  # served by a callable of its own, which uses the same guard


def test_operation_ids_are_short_unique_names():
    names = [operation["operationId"] for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    assert len(set(names)) == len(names)
    for name in names:
        assert re.fullmatch(r"[a-z][a-zA-Z]{2,30}", name), name


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_an_operation_tells_what_one_needs_to_know(path, method, operation):
    assert operation["summary"]
    assert operation["description"]
    (tag,) = operation["tags"]
    assert tag in {known["name"] for known in DOCUMENT["tags"]}
    assert any(code.startswith("2") for code in operation["responses"])
    keyed = path.startswith(PREFIX) or tag != "operations"
    if (method.upper(), path) in lanes.KEYLESS or path.startswith("/surveys/"):
        assert operation["security"] == []
        assert {"400", "401", "404"} & operation["responses"].keys()
        return
    ours = [{"apiKey": []}] if path.startswith(PREFIX) else [{"apiKey": []}, {"basicKey": []}]
    assert operation["security"] == (ours if keyed else [])
    if not keyed:
        return
    assert {"400", "401", "500", "503"} <= operation["responses"].keys()
    if "Needs a key" in operation["description"]:
        assert "403" in operation["responses"]
    if "requestBody" in operation:
        assert {"400", "408", "413", "415"} <= operation["responses"].keys()
        assert ("422" in operation["responses"]) is path.startswith(PREFIX)  # other vendors' clients know 400 only
    if "{" in path:
        assert "404" in operation["responses"]


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_refusals_are_problem_documents(path, method, operation):
    for status, found in operation["responses"].items():
        if status < "400" or not operation["security"]:
            continue
        response = DOCUMENT["components"]["responses"][found["$ref"].rpartition("/")[2]] if "$ref" in found else found
        assert list(response["content"]) == [PROBLEM]
        assert response["content"][PROBLEM]["schema"] == {"$ref": "#/components/schemas/Problem"}
        for code, reference in response["content"][PROBLEM]["examples"].items():
            assert reference == {"$ref": f"#/components/examples/{code}"}
            example = DOCUMENT["components"]["examples"][code]
            assert example["value"]["code"] == code
            assert str(example["value"]["status"]) == status


def test_the_document_says_whose_it_is_and_where():
    assert DOCUMENT["openapi"].startswith("3.1")
    assert DOCUMENT["info"]["license"]["identifier"] == "Apache-2.0"
    assert DOCUMENT["servers"]
    assert "apiKey" in DOCUMENT["components"]["securitySchemes"]
    assert all(tag["description"] for tag in DOCUMENT["tags"])


def _nodes(node, path=""):
    """Every object of the document with its place, except those inside examples and values."""
    if isinstance(node, dict):
        yield path, node
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, child in pairs:
        if name not in {"example", "examples", "default", "enum", "const"}:
            yield from _nodes(child, f"{path}/{name}")


def _examples():
    """Every example next to a schema: (where, schema, value)."""
    shared = DOCUMENT["components"]["examples"]
    for path, node in _nodes(DOCUMENT):
        examples = node.get("examples", {})
        if isinstance(examples, list):
            bare = {key: part for key, part in node.items() if key != "examples"}
            yield from ((path, bare, value) for value in examples)
        elif "schema" in node:
            yield from ((f"{path}/{name}", node["schema"], shared[name]["value"]) for name in examples)
        if "schema" in node and "example" in node:
            yield path, node["schema"], node["example"]


EXAMPLES = list(_examples())


def references(part):
    """Every address something in the document is looked up at."""
    for one in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from references(one)
    if isinstance(part, dict) and isinstance(part.get("$ref"), str):
        yield part["$ref"]


def test_every_reference_leads_somewhere():
    for one in set(references(DOCUMENT)):
        place = DOCUMENT
        for step in one.removeprefix("#/").split("/"):
            assert step in place, one
            place = place[step]


def test_examples_fit_their_schemas():
    assert len(EXAMPLES) > 50
    for where, schema, value in EXAMPLES:
        whole = {**schema, "components": DOCUMENT["components"]}
        errors = [error.message for error in jsonschema_rs.Draft202012Validator(whole).iter_errors(value)]
        assert not errors, f"{where}: {errors[0]}"


def test_every_body_has_an_example():
    missing = []
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content and not ({"example", "examples"} & content.keys()) and not _has_example(content["schema"]):
                missing.append(operation["operationId"])
    assert missing == []


def _has_example(schema):
    name = schema.get("$ref", "").rpartition("/")[2]
    return "examples" in (DOCUMENT["components"]["schemas"][name] if name else schema)


def test_only_traits_are_open():
    """`additionalProperties` is false wherever we say what there is; open where customers say it."""
    for name, schema in DOCUMENT["components"]["schemas"].items():
        if schema.get("type") == "object":
            assert schema.get("additionalProperties") is False, name


def test_links_lead_to_operations_that_exist():
    names = {operation["operationId"] for methods in DOCUMENT["paths"].values() for operation in methods.values()}
    links = [
        link["operationId"]
        for methods in DOCUMENT["paths"].values()
        for operation in methods.values()
        for response in operation["responses"].values()
        for link in response.get("links", {}).values()
    ]
    assert links
    assert set(links) <= names

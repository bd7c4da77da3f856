from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import yaml
from django.test import Client

from portal.api import schema, throttling
from portal.api.urls import urlpatterns
from portal.core.throttle import Limit


@pytest.fixture
def document(db: None) -> dict[str, Any]:
    answer = Client().get("/api/v1/schema/")
    assert answer.status_code == 200
    return loaded(answer.content)


@cache
def loaded(content: bytes) -> dict[str, Any]:
    """The tests only read it."""
    document: dict[str, Any] = yaml.load(content, Loader=yaml.CSafeLoader)
    return document


def test_every_call_is_described(document: dict[str, Any]) -> None:
    left_out = {"schema", "docs", "no-such-call"}

    described = len(document["paths"])

    assert described == len([one for one in urlpatterns if one.name not in left_out])


def test_every_call_documents_problem_answers(document: dict[str, Any]) -> None:
    for operations in document["paths"].values():
        for operation in operations.values():
            assert "application/problem+json" in operation["responses"]["default"]["content"]


def test_every_reference_resolves(document: dict[str, Any]) -> None:
    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if "$ref" in node else []
            return own + [found for inner in node.values() for found in references(inner)]
        if isinstance(node, list):
            return [found for inner in node for found in references(inner)]
        return []

    names = {reference.rpartition("/")[2] for reference in references(document)}

    assert names <= set(document["components"]["schemas"])


def test_body_schemas_forbid_other_properties_and_state_limits(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    # A detector sends what it sends.
    bodies = [
        operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for operations in document["paths"].values()
        for operation in operations.values()
        if "requestBody" in operation and operation["operationId"] != "receive_alerts"
    ]

    assert bodies
    assert all(schemas[name]["additionalProperties"] is False for name in bodies)
    assert schemas["NewPortsRequest"]["properties"]["lower"]["maximum"] == 65535
    assert schemas["SignInRequest"]["properties"]["username"]["minLength"] == 1


def test_lists_document_the_limit_parameter(document: dict[str, Any]) -> None:
    limits = [
        parameter["schema"]
        for operations in document["paths"].values()
        for operation in operations.values()
        for parameter in operation.get("parameters", [])
        if parameter["name"] == "limit"
    ]

    assert limits
    assert all((one["minimum"], one["maximum"]) == (1, 200) for one in limits)


def test_calls_that_create_accept_an_idempotency_key(document: dict[str, Any]) -> None:
    for path in ("resources", "mitigation-requests"):
        operation = document["paths"][f"/api/v1/organizations/{{slug}}/{path}"]["post"]
        assert "Idempotency-Key" in [parameter["name"] for parameter in operation["parameters"]]


def test_the_document_is_built_once_per_process(db: None) -> None:
    texts = {Client().get("/api/v1/schema/").content for _ in range(2)}

    assert len(texts) == 1
    assert schema.document() is schema.document()


def test_the_document_is_json_on_request(document: dict[str, Any]) -> None:
    answer = Client().get("/api/v1/schema/", headers={"accept": "application/json"})

    assert answer["Content-Type"] == "application/json"
    assert answer.json() == document


@pytest.mark.parametrize("path", ["/api/v1/schema/", "/api/v1/docs/"])
def test_anonymous_readers_of_the_document_are_counted_by_network(
    db: None, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(throttling, "CALLS_PER_ADDRESS", Limit(name="test", tries=2, window_s=3600,
    message="Too many."))  # fmt: skip

    answers = [
        Client().get(path, REMOTE_ADDR=f"2001:db8::{number}").status_code for number in range(3)
    ]

    assert answers == [200, 200, 429]
    assert Client().get(path, REMOTE_ADDR="2001:db8:0:1::").status_code == 200


def test_the_page_shows_every_call_and_loads_nothing_from_other_hosts(db: None) -> None:
    answer = Client().get("/api/v1/docs/")

    text = answer.content.decode()
    assert "/api/v1/organizations/{slug}/mitigation-requests/{request_id}/terminate" in text
    assert "//cdn" not in text
    assert "<script" not in text
    assert "style=" not in text
    assert "default-src 'none'" in answer["Content-Security-Policy"]

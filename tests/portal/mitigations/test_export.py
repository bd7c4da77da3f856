"""The files of requests, as a browser and a program get them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from django.db import connections
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import AsyncClient
from django_otp import DEVICE_ID_SESSION_KEY

from portal.accounts.models import Authenticator, User
from portal.mitigations import export
from portal.mitigations.models import MitigationRequest
from portal.organizations.models import Organization
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.rows import confirm

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = "/organizations/acme/requests"
CALLS = "/api/v1/organizations/acme/mitigation-requests"


def signed_in(user: User) -> AsyncClient:
    client = AsyncClient()
    client.force_login(user)
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = Authenticator.objects.get(user=user).persistent_id
    session.save()
    return client


async def answer_of(client: AsyncClient, path: str) -> tuple[HttpResponseBase, str]:
    """The response and its whole body. The connection of the views' thread is closed, as a server
    does after a response.
    """
    answer = await client.get(path)
    if isinstance(answer, StreamingHttpResponse):
        parts = cast(AsyncIterator[bytes], answer.streaming_content)
        body = b"".join([part async for part in parts])
    else:
        body = answer.content
    await sync_to_async(connections.close_all)()
    return answer, body.decode()


async def file_of(client: AsyncClient, path: str, content_type: str) -> str:
    answer, body = await answer_of(client, path)
    assert answer.status_code == 200
    assert answer["Content-Type"] == content_type
    assert answer["Content-Disposition"].startswith('attachment; filename="requests-')
    return body


async def table(client: AsyncClient, path: str) -> list[dict[str, str]]:
    file = await file_of(client, path, "text/csv; charset=utf-8")
    return list(csv.DictReader(io.StringIO(file)))


async def lines(client: AsyncClient, path: str) -> list[dict[str, Any]]:
    file = await file_of(client, path, "application/x-ndjson")
    return [json.loads(line) for line in file.splitlines()]


def confirmed(submit: Submit, **more: Any) -> MitigationRequest:
    request = submit(**more)
    confirm(request.mitigations.get(mid=1))
    return MitigationRequest.objects.get(pk=request.pk)


@pytest.mark.parametrize("path", [PAGES, CALLS])
async def test_both_doors_give_the_same_files(alice: User, submit: Submit, path: str) -> None:
    request = await database_sync_to_async(confirmed)(submit)
    client = await database_sync_to_async(signed_in)(alice)

    [row] = await table(client, f"{path}.csv")
    [line] = await lines(client, f"{path}.jsonl")

    assert tuple(row) == export.COLUMNS
    assert (row["id"], row["number"], row["status"]) == (
        str(request.pk),
        request.number,
        "in_progress",
    )
    assert row["requested_by"] == "alice"
    assert row["targets"].split(" ") == line["targets"] == ["203.0.113.0/26"]
    assert row["providers"] == f"{line['mitigations'][0]['provider']}: in_progress"
    assert row["confirmed_at"] == line["mitigations"][0]["confirmed_at"] != ""
    assert {name: line[name] for name in ("ended_at", "bytes_dropped")} == {
        "ended_at": None,
        "bytes_dropped": None,
    }


async def test_a_filter_of_the_page_is_that_of_its_file(alice: User, submit: Submit) -> None:
    await database_sync_to_async(submit)(reason="flood")
    client = await database_sync_to_async(signed_in)(alice)

    assert len(await table(client, f"{PAGES}.csv?find=flood")) == 1
    assert await table(client, f"{PAGES}.csv?find=nothing+like+it") == []


async def test_a_call_selects_by_status_and_time(alice: User, submit: Submit) -> None:
    request = await database_sync_to_async(submit)()
    client = await database_sync_to_async(signed_in)(alice)
    at = request.created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    for query, count in {
        "status=requesting": 1,
        "status=terminated": 0,
        f"since={at}": 1,
        f"until={at}": 0,
        "kind=drill": 0,
    }.items():
        assert len(await lines(client, f"{CALLS}.jsonl?{query}")) == count, query

    answer, body = await answer_of(client, f"{CALLS}.jsonl?since=yesterday")
    assert (answer.status_code, json.loads(body)["errors"][0]["field"]) == (400, "since")


@pytest.mark.parametrize("reason", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
async def test_a_spreadsheet_computes_nothing_that_a_person_typed(
    alice: User, submit: Submit, reason: str
) -> None:
    request = await database_sync_to_async(submit)()
    saved = MitigationRequest.objects.filter(pk=request.pk)
    await database_sync_to_async(saved.update)(reason=reason)
    client = await database_sync_to_async(signed_in)(alice)

    [row] = await table(client, f"{PAGES}.csv")
    [line] = await lines(client, f"{PAGES}.jsonl")

    assert row["reason"] == f"'{reason}"
    assert line["reason"] == reason


async def test_text_with_commas_quotes_and_lines_stays_in_its_cell(
    alice: User, submit: Submit
) -> None:
    reason = 'ports 53, 123 and "the rest"\nsince 04:00 – Příbram'
    await database_sync_to_async(submit)(reason=reason)
    client = await database_sync_to_async(signed_in)(alice)

    [row] = await table(client, f"{PAGES}.csv")

    assert row["reason"] == reason


async def test_a_long_file_comes_in_portions_and_in_the_order_of_the_page(
    alice: User, submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PORTION", 2)
    requests = [
        await database_sync_to_async(submit)(resources=(), prefixes=(f"203.0.113.{number}/32",))
        for number in range(5)
    ]
    client = await database_sync_to_async(signed_in)(alice)

    rows = await table(client, f"{PAGES}.csv?order=oldest")

    assert [row["id"] for row in rows] == [str(request.pk) for request in requests]


@pytest.mark.parametrize("path", [f"{PAGES}.csv", f"{CALLS}.jsonl"])
async def test_a_file_is_refused_rather_than_cut(
    alice: User, submit: Submit, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(export, "MAX_REQUESTS", 1)
    for number in range(2):
        await database_sync_to_async(submit)(resources=(), prefixes=(f"203.0.113.{number}/32",))
    client = await database_sync_to_async(signed_in)(alice)

    answer, body = await answer_of(client, path)

    assert answer.status_code == 409
    assert "Choose a shorter time" in body


async def test_another_organization_has_no_requests_in_the_file(
    charlie: User, globex: Organization, submit: Submit
) -> None:
    await database_sync_to_async(submit)()
    client = await database_sync_to_async(signed_in)(charlie)

    answer, body = await answer_of(client, f"{PAGES}.csv")

    assert (answer.status_code, "203.0.113" in body) == (404, False)
    assert await lines(client, "/organizations/globex/requests.jsonl") == []

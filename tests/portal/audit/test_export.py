"""The exported file, and the program of docs/audit.md that verifies it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
from channels.db import database_sync_to_async
from django.http import StreamingHttpResponse
from django.test import AsyncClient
from django_otp import DEVICE_ID_SESSION_KEY

from portal.accounts.models import Authenticator, User
from portal.audit import export
from portal.audit.models import AuditEntry, Chain
from portal.organizations.models import Organization
from tests.portal.audit.chains import recorded

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[3]


def prepared(user: User, organization: Organization) -> AsyncClient:
    recorded(organization.pk, 5)
    client = AsyncClient()
    client.force_login(user)
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = Authenticator.objects.get(user=user).persistent_id
    session.save()
    return client


async def file_of(client: AsyncClient, path: str) -> bytes:
    answer = await client.get(path)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/x-ndjson"
    parts = cast(AsyncIterator[bytes], cast(StreamingHttpResponse, answer).streaming_content)
    return b"".join([part async for part in parts])


def verified(file: bytes, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    [program] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "audit.md").read_text(), re.S)
    (tmp_path / "audit.jsonl").write_bytes(file)
    command = [sys.executable, "-c", program, str(tmp_path / "audit.jsonl")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


async def test_the_documented_program_verifies_an_export_and_finds_a_change(
    alice: User, acme: Organization, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PORTION", 2)
    client = await database_sync_to_async(prepared)(alice, acme)

    file = await file_of(client, "/organizations/acme/audit/download")

    head = await database_sync_to_async(Chain.objects.get)(pk=acme.pk)
    assert verified(file, tmp_path).stdout == f"unbroken, head 5:{head.hash}\n"
    found = verified(file.replace(b'"plan 3"', b'"plan 7"'), tmp_path)
    assert found.stderr == "entry 4 is not as it was sealed\n"
    assert found.returncode == 1
    exports = AuditEntry.objects.filter(verb="audit.exported", organization_id=acme.pk)
    assert await database_sync_to_async(exports.count)() == 1


async def test_a_file_is_bounded_and_the_next_one_continues(
    alice: User, acme: Organization, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "MAX_LINES", 3)
    client = await database_sync_to_async(prepared)(alice, acme)
    api = "/api/v1/organizations/acme/audit/export"

    first = await file_of(client, api)
    last = json.loads(first.splitlines()[-1])
    assert (len(first.splitlines()), last) == (5, {"last": 3, "is_complete": False})
    second = await file_of(client, f"{api}?after=3&about=plan")

    lines = [json.loads(line) for line in second.splitlines()]
    assert lines[0]["after"] == 3
    assert [one["seq"] for one in lines[1:-1]] == [4, 5]
    assert lines[-1] == {"last": 5, "is_complete": True}
    assert verified(second, tmp_path).returncode == 0

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from channels.db import database_sync_to_async
from django.http import StreamingHttpResponse
from django.test import AsyncClient, Client
from django_otp import DEVICE_ID_SESSION_KEY

from portal.accounts.models import Authenticator, User
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.web.journal import download
from tests.conftest import ClientOf
from tests.portal.wire.conftest import exchange, heartbeat, keep, put

pytestmark = pytest.mark.django_db(transaction=True)


def url(request: MitigationRequest) -> str:
    return f"{request.get_absolute_url()}/wire/download"


def prepared(user: User) -> AsyncClient:
    client = AsyncClient()
    client.force_login(user)
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = Authenticator.objects.get(user=user).persistent_id
    session.save()
    return client


async def lines_of(client: AsyncClient, path: str) -> list[dict[str, Any]]:
    answer = await client.get(path)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/x-ndjson"
    parts = cast(AsyncIterator[bytes], cast(StreamingHttpResponse, answer).streaming_content)
    content = b"".join([part async for part in parts])
    return [json.loads(line) for line in content.splitlines()]


async def test_the_file_has_every_message_oldest_first(
    dana: User, asked: MitigationRequest, mitigation: Mitigation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PORTION", 2)
    client = await database_sync_to_async(prepared)(dana)
    await database_sync_to_async(exchange)(mitigation)
    await database_sync_to_async(keep)(mitigation.subscription_id, heartbeat())

    lines = await lines_of(client, f"{url(asked)}?messages=all")

    assert [line["code"] for line in lines] == ["0.03", "2.01", "2.05", "0.03"]
    assert [line["topic"] for line in lines][-1] == "heartbeat"
    assert lines[0]["octets"] == "580300012061206 26f6479".replace(" ", "")
    assert lines[0]["body"]["ietf-dots-signal-channel:mitigation-scope"]["scope"]
    assert lines[0]["mid"] == mitigation.mid


async def test_a_file_that_ends_early_says_so(
    dana: User, asked: MitigationRequest, mitigation: Mitigation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "MAX_LINES", 2)
    client = await database_sync_to_async(prepared)(dana)
    await database_sync_to_async(exchange)(mitigation)

    lines = await lines_of(client, url(asked))

    assert len(lines) == 3
    assert lines[-1] == {"not_in_this_file": "Only the first 2 messages are in this file."}


async def test_a_compressed_file_is_one_gzip_member(
    dana: User, asked: MitigationRequest, mitigation: Mitigation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chromium ignores what follows the first member."""
    monkeypatch.setattr(download, "PORTION", 2)
    client = await database_sync_to_async(prepared)(dana)
    await database_sync_to_async(keep)(
        mitigation.subscription_id, *(put(mitigation.mid) for _ in range(7))
    )

    answer = await client.get(url(asked), headers={"Accept-Encoding": "gzip, br"})
    parts = cast(AsyncIterator[bytes], cast(StreamingHttpResponse, answer).streaming_content)
    content = b"".join([part async for part in parts])

    decompressor = zlib.decompressobj(16 + zlib.MAX_WBITS)
    file = decompressor.decompress(content)
    assert answer["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in answer["Vary"]
    assert decompressor.eof
    assert decompressor.unused_data == b""
    assert [json.loads(line)["mid"] for line in file.splitlines()] == [mitigation.mid] * 7


def test_the_file_has_a_name(dana: User, asked: MitigationRequest, client_of: ClientOf) -> None:
    browser: Client = client_of(dana)

    answer = browser.get(url(asked))

    assert answer["Content-Disposition"] == f'attachment; filename="wire-{asked.number}.jsonl"'

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.alerts.alert import RejectionCode
from portal.alerts.mapping import AlertSource
from portal.alerts.models import AlertEndpoint, AlertPayload
from portal.alerts.payload import MAX_RECORDS
from portal.alerts.secret import MAX_AGE_S
from portal.alerts.services.endpoints import (
    EndpointWish,
    add_endpoint,
    change_endpoint,
    end_previous_secret,
    rotate_secret,
)
from portal.alerts.services.receive import BYTES_PER_RECORD, RECORDS, WRONG_SECRETS
from portal.core.body_limits import MAX_BODY_BYTES
from portal.organizations.integrations import PREVIOUS_SECRET_HOLDS
from portal.organizations.models import Organization
from tests.portal.alerts.conftest import Detector

ALERT = {"id": "a-1", "targets": ["203.0.113.7"]}


def send(path: str, body: Any = ALERT, **headers: str) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Client().post(path, data, content_type="application/json", headers=named)


def bearer(secret: str) -> str:
    return f"Bearer {secret}"


def basic(secret: str) -> str:
    return f"Basic {base64.b64encode(f'detector:{secret}'.encode()).decode()}"


@pytest.mark.parametrize("way", ["bearer", "basic", "own header", "cloudflare", "url"])
def test_a_detector_sends_the_secret_in_the_way_that_it_can(detector: Detector, way: str) -> None:
    secret = detector.secret
    headers: dict[str, dict[str, str]] = {
        "bearer": {"authorization": bearer(secret)},
        "basic": {"authorization": basic(secret)},
        "own header": {"x_alert_key": secret},
        "cloudflare": {"cf_webhook_auth": secret},
        "url": {},
    }
    path = f"{detector.path}?key={secret}" if way == "url" else detector.path

    answer = send(path, **headers[way])

    assert answer.status_code == 202, answer.content
    assert answer.json()["accepted"] == 1
    assert bytes(AlertPayload.objects.get().body) == json.dumps(ALERT).encode()


def test_wrong_secrets_and_unknown_endpoints_get_the_same_answer(detector: Detector) -> None:
    AlertEndpoint.objects.update(is_enabled=False)
    disabled = send(detector.path, authorization=bearer(detector.secret))
    AlertEndpoint.objects.update(is_enabled=True)

    answers = [
        disabled,
        send(detector.path),
        send(detector.path, authorization=bearer("wrong")),
        send(detector.path, authorization=basic("é" * 300)),
        send(detector.path, authorization="Basic !"),
        send(f"/api/v1/alerts/{uuid4()}", authorization=bearer(detector.secret)),
    ]

    assert {one.status_code for one in answers} == {401}
    assert len({one.content for one in answers}) == 1
    assert not AlertPayload.objects.exists()


def test_a_suspended_organization_receives_nothing(detector: Detector, acme: Organization) -> None:
    Organization.objects.filter(pk=acme.pk).update(is_active=False)

    assert send(detector.path, authorization=bearer(detector.secret)).status_code == 401


def test_wrong_secrets_are_limited_per_address(detector: Detector) -> None:
    answers = [send(detector.path).status_code for _ in range(WRONG_SECRETS.tries + 1)]

    assert answers == [401] * WRONG_SECRETS.tries + [429]
    assert send(detector.path, authorization=bearer(detector.secret)).status_code == 202


def test_two_secrets_work_while_one_replaces_the_other(detector: Detector, alice: User) -> None:
    _, newer = rotate_secret(endpoint=detector.endpoint, actor=Actor.person(alice))

    assert send(detector.path, authorization=bearer(newer)).status_code == 202
    assert send(detector.path, authorization=bearer(detector.secret)).status_code == 202
    end_previous_secret(endpoint=detector.endpoint, actor=Actor.person(alice))
    assert send(detector.path, authorization=bearer(newer)).status_code == 202
    assert send(detector.path, authorization=bearer(detector.secret)).status_code == 401


def test_a_former_secret_ends_on_its_own(detector: Detector, alice: User) -> None:
    rotate_secret(endpoint=detector.endpoint, actor=Actor.person(alice))
    before = AlertEndpoint.objects.get().previous_until
    assert before is not None
    assert before <= timezone.now() + PREVIOUS_SECRET_HOLDS
    AlertEndpoint.objects.update(previous_until=timezone.now() - timedelta(seconds=1))

    assert send(detector.path, authorization=bearer(detector.secret)).status_code == 401


@pytest.fixture
def signing(alice: User, acme: Organization) -> Detector:
    return Detector(
        *add_endpoint(
            organization=acme,
            actor=Actor.person(alice),
            wish=EndpointWish(
                name="Grafana",
                source=AlertSource.PLAIN,
                signature_header="X-Signature",
                timestamp_header="X-Time",
            ),
        )
    )


def signature(secret: str, body: bytes, stamp: int) -> str:
    return hmac.new(secret.encode(), f"{stamp}:".encode() + body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("prefix", ["", "sha256="])
def test_a_signed_call_needs_no_other_secret(signing: Detector, prefix: str) -> None:
    body, stamp = json.dumps(ALERT).encode(), int(timezone.now().timestamp())
    signed = prefix + signature(signing.secret, body, stamp)

    answer = send(signing.path, body, x_signature=signed, x_time=str(stamp))

    assert answer.status_code == 202, answer.content


def test_an_absent_wrong_or_old_signature_is_401(signing: Detector) -> None:
    body, now = json.dumps(ALERT).encode(), int(timezone.now().timestamp())
    right, old = signature(signing.secret, body, now), now - MAX_AGE_S - 60
    calls: list[dict[str, str]] = [
        {},
        {"authorization": bearer(signing.secret)},
        {"x_signature": right},
        {"x_signature": right, "x_time": str(now + 1)},
        {"x_signature": "é", "x_time": str(now)},
        {"x_signature": right[:-1], "x_time": str(now)},
        {"x_signature": signature(signing.secret, body, old), "x_time": str(old)},
        {"x_signature": signature("other", body, now), "x_time": str(now)},
    ]

    assert {send(signing.path, body, **headers).status_code for headers in calls} == {401}
    assert send(signing.path, b"{}", x_signature=right, x_time=str(now)).status_code == 401


def test_an_endpoint_without_a_saved_secret_cannot_begin_to_sign(
    detector: Detector, alice: User
) -> None:
    wish = EndpointWish(signature_header="X-Signature")

    with pytest.raises(Exception, match="was not saved"):
        change_endpoint(endpoint=detector.endpoint, actor=Actor.person(alice), wish=wish)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty"),
        (b"[]", "empty"),
        (b"{", "not-json"),
        (b'{"id": "a\x00"}', "nul-character"),
        (b'{"id": 1, "id": 2}', "duplicate-key"),
        (b'{"pps": NaN}', "not-a-number"),
        (json.dumps([ALERT] * (MAX_RECORDS + 1)).encode(), "too-many-records"),
    ],
)
def test_an_unreadable_payload_is_counted_and_not_saved(
    detector: Detector, body: bytes, code: str
) -> None:
    answer = send(detector.path, body, authorization=bearer(detector.secret))

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == code
    assert not AlertPayload.objects.exists()
    assert AlertEndpoint.objects.get().unreadable == 1
    assert AlertEndpoint.objects.get().unreadable_code == RejectionCode(code)


def test_a_gzip_body_is_read_and_a_bomb_is_not(detector: Detector) -> None:
    secret = bearer(detector.secret)
    good = gzip.compress(json.dumps(ALERT).encode())
    bomb = gzip.compress(b" " * (50 * MAX_BODY_BYTES))

    def answer(body: bytes, encoding: str = "gzip") -> int:
        sent = send(detector.path, body, authorization=secret, content_encoding=encoding)
        return int(sent.status_code)

    assert answer(good) == 202
    assert answer(bomb) == 413
    assert answer(good[:-4]) == 400
    assert answer(good + good) == 400
    assert answer(b"no gzip") == 400
    assert answer(good, "br") == 415
    assert AlertPayload.objects.count() == 1


def test_too_many_bytes_are_413(detector: Detector) -> None:
    body = b'{"id": "' + b"x" * MAX_BODY_BYTES + b'"}'

    answer = send(detector.path, body, authorization=bearer(detector.secret))

    assert answer.status_code == 413
    assert answer.json()["code"] == "body-too-large"


def test_records_over_the_limit_are_counted_and_not_saved(detector: Detector) -> None:
    secret = bearer(detector.secret)
    first = send(detector.path, [ALERT] * (RECORDS.tries - 10), authorization=secret).json()
    second = send(detector.path, [ALERT] * 30, authorization=secret).json()
    third = send(detector.path, [ALERT] * 7, authorization=secret)

    assert (first["accepted"], first["over_limit"]) == (RECORDS.tries - 10, 0)
    assert (second["accepted"], second["over_limit"]) == (10, 20)
    assert third.status_code == 202
    assert (third.json()["accepted"], third.json()["over_limit"]) == (0, 7)
    assert AlertEndpoint.objects.get().over_limit == 27
    saved = AlertPayload.objects.order_by("received_at")
    assert [len(json.loads(bytes(one.body))) for one in saved] == [RECORDS.tries - 10, 10]


def test_a_large_record_counts_as_several(detector: Detector) -> None:
    record = {**ALERT, "unknown": "x" * (25 * BYTES_PER_RECORD)}
    secret = bearer(detector.secret)

    accepted = [
        send(detector.path, record, authorization=secret).json()["accepted"] for _ in range(9)
    ]

    assert accepted == [1, 1, 1, 1, 1, 1, 1, 1, 0]


def test_lines_over_the_limit_keep_their_form(alice: User, acme: Organization) -> None:
    line = "rate-limit: info: limit responses to 198.51.100.0/24 for a.example IN A  (00000000)"
    endpoint, secret = add_endpoint(
        organization=acme,
        actor=Actor.person(alice),
        wish=EndpointWish(name="DNS", source=AlertSource.BIND),
    )
    body = "\n".join([line] * (RECORDS.tries + 5)).encode()

    answer = send(f"/api/v1/alerts/{endpoint.pk}", body, authorization=bearer(secret)).json()

    assert (answer["accepted"], answer["over_limit"]) == (RECORDS.tries, 5)
    assert json.loads(bytes(AlertPayload.objects.get().body)) == [line] * RECORDS.tries

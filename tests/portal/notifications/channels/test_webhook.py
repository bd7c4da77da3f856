"""The webhook, against a real server that checks what it gets with the reference library."""

from __future__ import annotations

import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_network
from typing import Any

import pytest
import standardwebhooks
from django.utils import timezone

from portal.core.errors import Invalid
from portal.notifications.channels import receiver as http
from portal.notifications.channels.webhook import Webhook, new_secret, signature_of
from portal.notifications.message import MAX_ANSWER_CHARS, Outcome, ReceiverAnswer
from tests.portal.notifications.channels.conftest import MESSAGE
from tests.portal.notifications.channels.http_receiver import HttpReceiver, running
from tests.portal.ownership.dns_world import DnsWorld, zone

SECRET = new_secret()


def send(url: str, **more: str) -> ReceiverAnswer:
    return Webhook().send(MESSAGE, {"url": url, "secret": SECRET, **more})


def test_a_receiver_gets_the_message_with_the_event_of_the_api(receiver: HttpReceiver) -> None:
    answer = send(f"{receiver.url}/hook?team=noc")

    got = receiver.only
    assert (answer.outcome, answer.text) == (Outcome.SENT, "HTTP 200 ok")
    assert (got.method, got.path) == ("POST", "/hook?team=noc")
    assert got.headers["content-type"] == "application/json"
    assert got.headers["content-length"] == str(len(got.body))
    assert got.headers["host"] == receiver.url.removeprefix("http://")
    assert got.json == {
        "type": "request.not_reached",
        "timestamp": "2026-11-30T05:00:00Z",
        "data": {
            "id": str(MESSAGE.id),
            "thread": MESSAGE.thread,
            "opens_thread": True,
            "closes_thread": False,
            "severity": "critical",
            "title": MESSAGE.title,
            "text": MESSAGE.text,
            "url": MESSAGE.url,
            "event": MESSAGE.event,
        },
    }


def test_the_reference_library_accepts_the_signature(receiver: HttpReceiver) -> None:
    send(receiver.url)

    got = receiver.only
    assert got.headers["webhook-id"] == str(MESSAGE.id)
    assert abs(int(got.headers["webhook-timestamp"]) - time.time()) < 5
    assert standardwebhooks.Webhook(SECRET).verify(got.body, got.headers) == got.json
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(new_secret()).verify(got.body, got.headers)


def test_both_secrets_sign_while_they_rotate(receiver: HttpReceiver) -> None:
    former = new_secret()
    send(receiver.url, previous_secret=former)

    got = receiver.only
    assert len(got.headers["webhook-signature"].split(" ")) == 2
    for secret in (SECRET, former):
        assert standardwebhooks.Webhook(secret).verify(got.body, got.headers)


def test_the_signature_is_that_of_the_specification() -> None:
    # The example of the reference implementations.
    signature = signature_of(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        id_text="msg_p5jXN8AQM9LWM0D4loKWxJek",
        seconds=1614265330,
        body=b'{"test": 2432232314}',
    )

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.SENT),
        (204, Outcome.SENT),
        (301, Outcome.REFUSED),
        (302, Outcome.REFUSED),
        (307, Outcome.REFUSED),
        (400, Outcome.REFUSED),
        (401, Outcome.REFUSED),
        (404, Outcome.REFUSED),
        (408, Outcome.RETRY),
        (410, Outcome.GONE),
        (429, Outcome.RETRY),
        (500, Outcome.RETRY),
        (503, Outcome.RETRY),
    ],
)
def test_the_status_decides(receiver: HttpReceiver, status: int, outcome: Outcome) -> None:
    receiver.status, receiver.body = status, b""

    assert send(receiver.url).outcome is outcome


def test_a_redirection_is_not_followed(receiver: HttpReceiver) -> None:
    with running() as other:
        receiver.status, receiver.headers = 302, {"Location": f"{other.url}/inside"}
        answer = send(receiver.url)

        assert answer.outcome is Outcome.REFUSED
        assert other.got == []


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("999999999", http.MAX_RETRY_AFTER_S),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("Fri, 01 Jan 1999 00:00:00 GMT", 0.0),
    ],
)
def test_a_busy_receiver_says_how_long_to_wait(
    receiver: HttpReceiver, header: str, seconds: float | None
) -> None:
    receiver.status, receiver.headers = 429, {"Retry-After": header}

    answer = send(receiver.url)

    assert (answer.outcome, answer.retry_after_s) == (Outcome.RETRY, seconds)


def test_a_busy_receiver_may_name_a_date(receiver: HttpReceiver) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    receiver.status, receiver.headers = 503, {"Retry-After": until}

    waits = send(receiver.url).retry_after_s

    assert waits is not None
    assert 80 <= waits <= 91


def test_a_receiver_that_is_down_is_tried_again(receiver: HttpReceiver) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        # Bound and not listening: nothing answers there.
        answer = send(f"http://127.0.0.1:{taken.getsockname()[1]}")

    assert answer.outcome is Outcome.RETRY
    assert answer.text == "No connection: Connection refused."


def test_the_log_says_that_a_receiver_does_not_speak_tls(receiver: HttpReceiver) -> None:
    answer = send(receiver.url.replace("http:", "https:"))

    assert answer.outcome is Outcome.RETRY
    assert answer.text == "No connection: TLS failed (wrong version number)."


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html><head><TITLE>503 Busy &amp; late</TITLE></head><body>x", "Busy & late"),
        (b"\n<h1>Busy</h1>\n<p>Come back</p>", "Busy Come back"),
        (b"less < more", "less < more"),
    ],
)
def test_the_log_shows_the_title_or_the_text_of_a_page(
    receiver: HttpReceiver, body: bytes, words: str
) -> None:
    receiver.status, receiver.body = 503, body

    assert send(receiver.url).text == f"HTTP 503 {words}"


def test_a_slow_receiver_is_given_up_in_time(
    receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "SEND_WITHIN_S", 0.3)
    over = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        # Each byte comes in time; the whole answer never does.
        handler.send_response(200)
        handler.end_headers()
        while not over.wait(0.05):
            try:
                handler.wfile.write(b" ")
            except OSError:
                return

    receiver.act = drip
    answer = send(receiver.url)
    over.set()

    assert (answer.outcome, answer.text) == (Outcome.RETRY, "No answer within 0.3 s.")


def test_a_huge_answer_is_not_read(receiver: HttpReceiver) -> None:
    written = 0

    def flood(handler: BaseHTTPRequestHandler) -> None:
        nonlocal written
        handler.send_response(200)
        handler.end_headers()
        try:
            while written < 100_000_000:
                written += handler.wfile.write(b"x" * 65_536)
        except OSError:
            pass

    receiver.act = flood
    answer = send(receiver.url)

    assert (answer.outcome, answer.text) == (Outcome.SENT, "HTTP 200")
    assert written < 50_000_000


def test_an_answer_is_kept_as_one_short_line_without_secrets(receiver: HttpReceiver) -> None:
    receiver.body = f"a\r\nb\0 {SECRET} ".encode() + b"\xff" + b"x" * 600

    text = send(receiver.url).text

    assert text.startswith("HTTP 200 a b (secret) ")
    assert len(text) == MAX_ANSWER_CHARS
    assert text.isprintable()


def test_an_answer_that_is_not_http_counts_as_none(receiver: HttpReceiver) -> None:
    def greet(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"220 mail.example ESMTP\r\n")

    receiver.act = greet

    answer = send(receiver.url)

    assert answer.outcome is Outcome.RETRY


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "[::1]", "[fd00::1]"]
)
def test_an_address_that_is_not_public_is_never_called(address: str) -> None:
    answer = send(f"https://{address}/hook")

    assert answer.outcome is Outcome.REFUSED
    assert "does not contact" in answer.text


@pytest.mark.parametrize("address", ["10.0.0.7", "169.254.169.254", "127.0.0.1"])
def test_a_name_with_an_address_inside_is_never_called(settings: Any, address: str) -> None:
    zones = {"acme.example": zone(f"hook 60 IN A {address}")}
    with DnsWorld(zones, servers={"127.0.0.11": {}}) as world:
        settings.PORTAL_DNS_SERVERS = world.network.resolvers
        answer = send("https://hook.acme.example/")

    assert answer.outcome is Outcome.REFUSED
    assert address in answer.text


def test_one_address_inside_refuses_the_whole_name(settings: Any) -> None:
    zones = {"acme.example": zone("hook 60 IN A 8.8.8.8\nhook 60 IN A 10.0.0.7")}
    with DnsWorld(zones, servers={"127.0.0.11": {}}) as world:
        settings.PORTAL_DNS_SERVERS = world.network.resolvers
        answer = send("https://hook.acme.example/")

    assert answer.outcome is Outcome.REFUSED


def test_a_name_is_resolved_once_for_each_try(settings: Any, receiver: HttpReceiver) -> None:
    port = receiver.url.rpartition(":")[2]
    zones = {"acme.example": zone("hook 60 IN A 127.0.0.1")}
    with DnsWorld(zones, servers={"127.0.0.11": {}}) as world:
        settings.PORTAL_DNS_SERVERS = world.network.resolvers
        answer = send(f"http://hook.acme.example:{port}/")
        asked = [name for _, name in world.asked]

    assert answer.outcome is Outcome.SENT
    assert receiver.only.headers["host"] == f"hook.acme.example:{port}"
    # One question for IPv4, one for IPv6.
    assert asked == ["hook.acme.example"] * 2


def test_a_name_without_an_address_is_tried_again(settings: Any) -> None:
    with DnsWorld({"acme.example": zone()}, servers={"127.0.0.11": {}}) as world:
        settings.PORTAL_DNS_SERVERS = world.network.resolvers
        answer = send("https://hook.acme.example/")

    assert (answer.outcome, answer.text) == (Outcome.RETRY, "The name has no address.")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "not-a-url"),
        ("hook", "not-a-url"),
        ("ftp://example.com/", "not-a-url"),
        ("file:///etc/passwd", "not-a-url"),
        ("https://", "not-a-url"),
        ("https://exa mple.com/", "not-a-url"),
        ("https://bücher.example/", "not-a-url"),
        ("https://example.com:99999/", "not-a-url"),
        ("https://[::1/", "not-a-url"),
        ("http://example.com/", "not-https"),
        ("http://127.0.0.1/", "not-https"),
        ("https://alice:pw@example.com/", "has-credentials"),
        ("https://example.com/#top", "has-fragment"),
        ("https://10.0.0.1/", "not-public"),
        ("https://169.254.169.254/latest/meta-data", "not-public"),
        ("https://[::ffff:10.0.0.1]/", "not-public"),
    ],
)
def test_an_address_that_cannot_work_is_refused_when_it_is_typed(url: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        Webhook().check({"url": url})

    assert [(one.field, one.code) for one in refused.value.errors] == [("url", code)]


@pytest.mark.parametrize("url", ["https://example.com", "https://example.com:8443/hook?a=b"])
def test_a_public_https_address_is_accepted(url: str) -> None:
    Webhook().check({"url": url})


def test_the_operator_can_allow_a_network(settings: Any) -> None:
    settings.PORTAL_NOTICE_NETWORKS = [ip_network("10.0.0.0/8")]
    Webhook().check({"url": "https://10.0.0.1/"})

    with pytest.raises(Invalid, match="https://"):
        Webhook().check({"url": "http://10.0.0.1/"})


def test_a_time_in_the_future_is_not_signed(receiver: HttpReceiver) -> None:
    send(receiver.url)

    assert int(receiver.only.headers["webhook-timestamp"]) <= timezone.now().timestamp()

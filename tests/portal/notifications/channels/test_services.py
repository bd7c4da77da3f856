"""Chat, SMS and on-call services: each against a real server in place of the documented one."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pytest

from portal.core.errors import Invalid
from portal.notifications.channels import opsgenie, pagerduty, slack, telegram, twilio
from portal.notifications.channels.registry import CHANNELS
from portal.notifications.message import NoticeMessage, Outcome, ReceiverAnswer, Severity
from tests.portal.notifications.channels.conftest import END, MESSAGE
from tests.portal.notifications.channels.http_receiver import HttpReceiver

SID, TOKEN = "AC" + "0a" * 16, "9f" * 16
HOOK = "https://hooks.slack.com/services/T0ABC/B0DEF/abcdefghijklmnopqrstuvwx"
WORKFLOW = (
    "https://prod-1.westeurope.logic.azure.com:443/workflows/0a1b/triggers/manual/paths/invoke"
)
VALUES: dict[str, dict[str, str]] = {
    "webhook": {"url": "https://example.com/hook"},
    "slack": {"webhook": HOOK},
    "teams": {"workflow": f"{WORKFLOW}?api-version=2016-06-01&sp=%2Frun&sv=1.0&sig=aB-c_d"},
    "mattermost": {"server": "https://chat.example.com", "hook": "a1" * 13},
    "matrix": {
        "server": "https://matrix.example.org",
        "room": "!AbC:example.org",
        "token": "syt_abcdefgh",
    },
    "telegram": {"chat": "-1001234567890", "token": "123456:" + "Ab_-" * 9},
    "pagerduty": {"key": "aB3" * 10 + "xy", "region": ""},
    "opsgenie": {"key": "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f", "region": "eu"},
    "ntfy": {"server": "https://ntfy.sh", "topic": "acme-noc", "token": "tk_abc"},
    "twilio": {"to": "+15550142", "sender": "+15550100", "account": SID, "token": TOKEN},
}
SERVICES = [kind for kind in CHANNELS if kind != "webhook"]
OWN_SERVER = {"mattermost", "matrix", "ntfy"}
Send = Callable[..., ReceiverAnswer]


@pytest.fixture
def send(receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch) -> Send:
    """Send through one kind; the service is the receiver on loopback."""
    monkeypatch.setattr(slack, "API", f"{receiver.url}/services")
    monkeypatch.setattr(telegram, "API", receiver.url)
    monkeypatch.setattr(twilio, "API", receiver.url)
    for service in (pagerduty, opsgenie):
        monkeypatch.setattr(
            service, "API", {"us": f"{receiver.url}/us", "eu": f"{receiver.url}/eu"}
        )

    def send(kind: str, message: NoticeMessage = MESSAGE) -> ReceiverAnswer:
        values = dict(VALUES[kind])
        if kind in OWN_SERVER:
            values["server"] = f"{receiver.url}/"
        if kind == "teams":
            values["workflow"] = values["workflow"].replace(
                "https://prod-1.westeurope.logic.azure.com:443", receiver.url
            )
        return CHANNELS[kind].send(message, values)

    return send


def test_every_kind_is_tried_here() -> None:
    assert VALUES.keys() == CHANNELS.keys()


@pytest.mark.parametrize("kind", CHANNELS)
def test_values_as_the_service_shows_them_are_accepted(kind: str) -> None:
    CHANNELS[kind].check(VALUES[kind])


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("slack", "webhook", "https://hooks.slack.com.evil.example/services/T0A/B0B/abcdefgh"),
        ("slack", "webhook", "https://hooks.slack.com/services/T0A/B0B/../../x"),
        ("slack", "webhook", "http://hooks.slack.com/services/T0ABC/B0DEF/abcdefghij"),
        ("teams", "workflow", "https://evil.example/workflows/a?sig=b"),
        ("teams", "workflow", "https://logic.azure.com.evil.example/workflows/a?sig=b"),
        ("teams", "workflow", "https://a.logic.azure.com/other?sig=b"),
        ("mattermost", "server", "https://10.0.0.1"),
        ("mattermost", "server", "https://chat.example.com/?a=b"),
        ("mattermost", "hook", "../api/v4/users"),
        ("matrix", "server", "https://169.254.169.254"),
        ("matrix", "server", "file:///etc/passwd"),
        ("matrix", "room", "#general:example.org"),
        ("matrix", "token", "a\r\nX-Evil: b"),
        ("telegram", "chat", "general"),
        ("telegram", "token", "123:../../x"),
        ("pagerduty", "key", "short"),
        ("pagerduty", "region", "de"),
        ("opsgenie", "key", "x"),
        ("ntfy", "server", "http://ntfy.sh"),
        ("ntfy", "server", "https://127.0.0.1"),
        ("ntfy", "topic", "a/b"),
        ("ntfy", "token", "a b"),
        ("twilio", "to", "0555"),
        ("twilio", "sender", "Acme"),
        ("twilio", "account", f"{SID}/../x"),
        ("twilio", "token", "secret"),
    ],
)
def test_a_value_that_leads_elsewhere_is_refused(kind: str, field: str, value: str) -> None:
    with pytest.raises(Invalid) as refused:
        CHANNELS[kind].check({**VALUES[kind], field: value})

    assert [one.field for one in refused.value.errors] == [field]


@pytest.mark.parametrize("kind", SERVICES)
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.SENT),
        (302, Outcome.REFUSED),
        (403, Outcome.REFUSED),
        (429, Outcome.RETRY),
        (500, Outcome.RETRY),
    ],
)
def test_the_status_decides_for_every_service(
    receiver: HttpReceiver, send: Send, kind: str, status: int, outcome: Outcome
) -> None:
    receiver.status, receiver.headers = status, {"Retry-After": "7", "Location": receiver.url}

    answer = send(kind)

    assert answer.outcome is outcome
    assert answer.retry_after_s == (7.0 if outcome is Outcome.RETRY else None)
    assert len(receiver.got) == 1


@pytest.mark.parametrize("kind", SERVICES)
def test_no_answer_shows_a_secret(receiver: HttpReceiver, send: Send, kind: str) -> None:
    secrets = [
        VALUES[kind][one.name].rpartition("/services/")[2]
        for one in CHANNELS[kind].fields
        if one.is_secret
    ]
    receiver.status, receiver.body = 403, " ".join(secrets).encode()

    text = send(kind).text

    assert not [one for one in secrets if one in text]


@pytest.mark.parametrize("kind", SERVICES)
def test_a_service_that_is_down_is_tried_again(
    send: Send, receiver: HttpReceiver, kind: str
) -> None:
    receiver.act = lambda handler: handler.connection.close()

    assert send(kind).outcome is Outcome.RETRY


def test_slack_gets_mrkdwn_that_cannot_mention_people(receiver: HttpReceiver, send: Send) -> None:
    send("slack", replace(MESSAGE, text="<!channel> & <@U1>"))

    got = receiver.only
    assert (got.method, got.path) == ("POST", "/services/T0ABC/B0DEF/abcdefghijklmnopqrstuvwx")
    assert got.json == {
        "text": f"*{MESSAGE.title}*\n&lt;!channel&gt; &amp; &lt;@U1&gt;\n"
        f"<{MESSAGE.url}|Open in the portal>",
        "unfurl_links": False,
        "unfurl_media": False,
    }


def test_teams_gets_an_adaptive_card(receiver: HttpReceiver, send: Send) -> None:
    send("teams")

    got = receiver.only
    assert got.path.startswith("/workflows/0a1b/triggers/manual/paths/invoke?api-version=")
    [card] = got.json["attachments"]
    assert (got.json["type"], card["contentType"]) == (
        "message",
        "application/vnd.microsoft.card.adaptive",
    )
    content = card["content"]
    assert (content["type"], content["version"]) == ("AdaptiveCard", "1.4")
    lines = [one["inlines"][0]["text"] for one in content["body"]]
    assert lines == [MESSAGE.title, *MESSAGE.text.splitlines()]
    assert content["body"][0]["inlines"][0]["color"] == "attention"
    assert content["actions"][0]["url"] == MESSAGE.url


def test_mattermost_gets_markdown_that_cannot_mention_people(
    receiver: HttpReceiver, send: Send
) -> None:
    send("mattermost", replace(MESSAGE, text="@all [x](y)"))

    got = receiver.only
    assert (got.method, got.path) == ("POST", f"/hooks/{'a1' * 13}")
    assert r"\@all \[x\]\(y\)" in got.json["text"]
    assert f"[Open in the portal]({MESSAGE.url})" in got.json["text"]


def test_matrix_gets_the_message_id_as_transaction(receiver: HttpReceiver, send: Send) -> None:
    send("matrix", replace(MESSAGE, title="<b>"))

    got = receiver.only
    room = "%21AbC%3Aexample.org"
    path = f"/_matrix/client/v3/rooms/{room}/send/m.room.message/{MESSAGE.id}"
    assert (got.method, got.path) == ("PUT", path)
    assert got.headers["authorization"] == "Bearer syt_abcdefgh"
    assert got.json["msgtype"] == "m.text"
    assert "<strong>&lt;b&gt;</strong>" in got.json["formatted_body"]
    assert MESSAGE.url in got.json["body"]


def test_matrix_names_its_pause_in_the_body(receiver: HttpReceiver, send: Send) -> None:
    receiver.status = 429
    receiver.body = b'{"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 2500}'

    assert send("matrix").retry_after_s == 2.5


def test_telegram_gets_plain_text(receiver: HttpReceiver, send: Send) -> None:
    send("telegram")

    got = receiver.only
    assert (got.method, got.path) == ("POST", f"/bot{VALUES['telegram']['token']}/sendMessage")
    assert got.json["chat_id"] == "-1001234567890"
    assert "parse_mode" not in got.json
    assert got.json["text"] == f"{MESSAGE.title}\n\n{MESSAGE.text}\n\n{MESSAGE.url}"


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (b'{"ok": false, "parameters": {"retry_after": 35}}', 35.0),
        (b'{"parameters": {"retry_after": 1e99}}', 86_400.0),
        (b'{"parameters": {"retry_after": -1}}', None),
        (b'{"parameters": {"retry_after": NaN}}', None),
        (b'{"parameters": []}', None),
        (b"[" * 10_000, None),
        (b"not JSON", None),
    ],
)
def test_telegram_names_its_pause_in_the_body(
    receiver: HttpReceiver, send: Send, body: bytes, seconds: float | None
) -> None:
    receiver.status, receiver.body = 429, body

    assert send("telegram").retry_after_s == seconds


def test_pagerduty_opens_and_resolves_one_incident_per_thread(
    receiver: HttpReceiver, send: Send
) -> None:
    receiver.status = 202
    for message in (MESSAGE, END):
        assert send("pagerduty", message).outcome is Outcome.SENT

    opened, ended = receiver.got
    assert (opened.method, opened.path) == ("POST", "/us/v2/enqueue")
    assert (opened.json["event_action"], ended.json["event_action"]) == ("trigger", "resolve")
    assert opened.json["dedup_key"] == ended.json["dedup_key"] == MESSAGE.thread
    assert opened.json["routing_key"] == VALUES["pagerduty"]["key"]
    assert opened.json["payload"] == {
        "summary": MESSAGE.title,
        "source": "mitigation-portal",
        "severity": "critical",
        "timestamp": "2026-11-30T05:00:00+00:00",
        "class": "request.not_reached",
        "custom_details": {"text": MESSAGE.text},
    }


def test_opsgenie_opens_and_closes_one_alert_per_thread(receiver: HttpReceiver, send: Send) -> None:
    receiver.status = 202
    for message in (MESSAGE, END):
        assert send("opsgenie", message).outcome is Outcome.SENT

    opened, ended = receiver.got
    assert (opened.method, opened.path) == ("POST", "/eu/v2/alerts")
    assert opened.headers["authorization"] == f"GenieKey {VALUES['opsgenie']['key']}"
    assert (opened.json["alias"], opened.json["priority"]) == (MESSAGE.thread, "P1")
    alias = MESSAGE.thread.replace(":", "%3A")
    assert ended.path == f"/eu/v2/alerts/{alias}/close?identifierType=alias"


def test_an_alarm_ends_with_what_it_is_about(receiver: HttpReceiver, send: Send) -> None:
    over = replace(END, closes_thread=False, severity=Severity.RESOLVED)
    send("pagerduty", over)

    assert receiver.only.json["event_action"] == "resolve"


def test_ntfy_gets_json_with_a_link_and_a_priority(receiver: HttpReceiver, send: Send) -> None:
    send("ntfy")

    got = receiver.only
    assert (got.method, got.path) == ("POST", "/")
    assert got.headers["authorization"] == "Bearer tk_abc"
    assert got.json == {
        "topic": "acme-noc",
        "title": MESSAGE.title,
        "message": MESSAGE.text,
        "priority": 5,
        "click": MESSAGE.url,
    }


def test_twilio_gets_a_form_with_basic_authentication(receiver: HttpReceiver, send: Send) -> None:
    receiver.status = 201
    assert send("twilio").outcome is Outcome.SENT

    got = receiver.only
    assert (got.method, got.path) == ("POST", f"/2010-04-01/Accounts/{SID}/Messages.json")
    scheme, _, encoded = got.headers["authorization"].partition(" ")
    assert (scheme, b64decode(encoded)) == ("Basic", f"{SID}:{TOKEN}".encode())
    form: dict[str, Any] = parse_qs(got.body.decode())
    assert form == {
        "To": ["+15550142"],
        "From": ["+15550100"],
        "Body": [f"{MESSAGE.title}\n{MESSAGE.url}"],
    }

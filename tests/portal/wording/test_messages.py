from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dots_client.codec.keys import CONFLICT_CAUSE_LABELS
from portal.wording.messages import CONFLICTS, STATUSES, Said, meaning
from tests.portal.wire.conftest import SCOPE, scope

SENT, RECEIVED = "sent", "received"


def said(direction: str, code: str, body: str = "", **changed: Any) -> Said:
    fields: dict[str, Any] = {
        "provider": "Northgate",
        "direction": direction,
        "topic": "mitigation",
        "code": code,
        "names_one": True,
        "decoded": json.loads(body) if body else None,
    }
    return Said(**{**fields, **changed})


LIFE = scope(lifetime=3600)
CLASH = json.dumps(
    {SCOPE: {"scope": [{"conflict-information": {"conflict-cause": "overlapping-targets"}}]}}
)
MOVED = json.dumps({"ietf-dots-signal-channel:redirected-signal": {"alt-server": "eu2.example"}})
CASES = [
    (said(SENT, "0.03", LIFE, method="PUT"), "Asks Northgate to start mitigation, for 3,600 s"),
    (
        said(SENT, "0.03", LIFE, method="PUT", is_repeated=True),
        "Asks Northgate to continue, for 3,600 s",
    ),
    (
        said(SENT, "0.03", scope(lifetime=-1), method="PUT"),
        "Asks Northgate to start mitigation, without an end",
    ),
    (
        said(SENT, "0.03", scope(lifetime=60, trigger_mitigation=False), method="PUT"),
        "Asks Northgate to keep this in standby, for 60 s",
    ),
    (
        said(
            SENT,
            "0.03",
            scope(attack_status="under-attack"),
            method="PUT",
            options="If-Match=empty",
        ),
        "Tells Northgate that the organization is still under attack",
    ),
    (said(SENT, "0.01", method="GET"), "Asks Northgate for the status"),
    (
        said(SENT, "0.01", method="GET", options="Observe=0"),
        "Asks Northgate for the status, and for every change of it",
    ),
    (
        said(SENT, "0.01", method="GET", options="Observe=1"),
        "Asks Northgate to send no more changes",
    ),
    (
        said(SENT, "0.01", method="GET", names_one=False),
        "Asks Northgate what it holds for this organization",
    ),
    (said(SENT, "0.04", method="DELETE"), "Asks Northgate to stop mitigation"),
    (
        said(SENT, "0.01", method="GET", topic="session", names_one=False),
        "Asks Northgate for the settings of the session",
    ),
    (said(SENT, "0.02", method="POST", topic="other"), "Asks Northgate something"),
    (said(RECEIVED, "2.01", LIFE, method="PUT"), "Northgate accepts, for 3,600 s"),
    (
        said(RECEIVED, "2.01", CLASH, method="PUT"),
        "Northgate accepts, with a conflict: Another request covers the same addresses",
    ),
    (said(RECEIVED, "2.02", method="DELETE"), "Northgate confirms the stop request"),
    (said(RECEIVED, "2.03", method="GET"), "Northgate reports nothing new"),
    (
        said(
            RECEIVED,
            "2.05",
            scope(status="attack-successfully-mitigated", bps_dropped="388110272"),
            method="GET",
        ),
        "Northgate reports: mitigating, 3.1 Gbit/s dropped",
    ),
    (
        said(RECEIVED, "2.05", scope(status="attack-stopped", bps_dropped="0"), method="GET"),
        "Northgate reports: the attack has stopped",
    ),
    (
        said(RECEIVED, "2.05", scope(status="attack-stopped", pps_dropped="12"), method="GET"),
        "Northgate reports: the attack has stopped, 12 packets/s dropped",
    ),
    (
        said(RECEIVED, "2.05", method="GET", names_one=False),
        "Northgate lists what it holds",
    ),
    (
        said(RECEIVED, "4.04", method="GET"),
        "Northgate does not hold this request (code 4.04)",
    ),
    (
        said(RECEIVED, "4.09", CLASH, method="PUT"),
        "Northgate refuses (code 4.09): another request covers the same addresses",
    ),
    (
        said(RECEIVED, "4.00", '"mid is too low"', method="PUT"),
        "Northgate refuses (code 4.00): Northgate says: mid is too low",
    ),
    (
        said(RECEIVED, "5.00", method="PUT"),
        "Northgate refuses (code 5.00): Northgate gave no reason (code 5.00)",
    ),
    (
        said(RECEIVED, "5.03", MOVED, method="PUT", options="Max-Age=60"),
        "Northgate sends the portal to its server eu2.example",
    ),
    (
        said(RECEIVED, "4.29", method="PUT", options="Max-Age=2"),
        "Northgate asks the portal to retry later; again in 2 s",
    ),
    (said(RECEIVED, "4.29", method="GET"), "Northgate asks the portal to retry later"),
    (
        said(RECEIVED, "5.03", method="PUT", options="Content-Format=271, Max-Age=60"),
        "Northgate cannot answer now; again in 60 s",
    ),
    (
        said(RECEIVED, "2.05", method="GET", topic="session", names_one=False),
        "Northgate tells the settings of the session",
    ),
    (said(RECEIVED, "2.05", topic="other", names_one=False), "Northgate answers (code 2.05)"),
    (said(SENT, "0.03", topic="heartbeat", method="PUT"), "Heartbeat to Northgate"),
    (
        said(
            RECEIVED,
            "0.03",
            '{"ietf-dots-signal-channel:heartbeat": {"peer-hb-status": false}}',
            topic="heartbeat",
        ),
        "Heartbeat from Northgate: it does not hear the portal’s",
    ),
    (said(RECEIVED, "2.04", topic="heartbeat"), "Northgate answers the heartbeat"),
    (
        said(RECEIVED, "4.00", topic="heartbeat"),
        "Northgate rejects the heartbeat (code 4.00)",
    ),
    (said(SENT, "2.04", topic="heartbeat"), "The portal answers Northgate’s heartbeat"),
    (said(RECEIVED, "0.00", kind="ACK"), "Northgate received the message"),
    (said(SENT, "0.00", kind="RST"), "The portal no longer expects this message"),
    (said(SENT, "0.00", kind="CON"), "The portal asks whether Northgate is there"),
    (said(RECEIVED, "0.02", topic="other"), "Northgate asks the portal something it cannot answer"),
    (said(SENT, "4.04", topic="other"), "The portal answers (code 4.04)"),
    (said("not_kept", "", count=1), "1 message before this could not be saved"),
    (said("not_kept", "", count=1200), "1,200 messages before this could not be saved"),
]


@pytest.mark.parametrize(("message", "sentence"), CASES, ids=[sentence for _, sentence in CASES])
def test_a_message_is_summarized_as_text(message: Said, sentence: str) -> None:
    assert meaning(message).replace("\u00a0", " ") == sentence


@pytest.mark.parametrize("status", [0, 9, 255])
def test_an_unknown_status_has_its_number(status: int) -> None:
    explained = meaning(said(RECEIVED, "2.05", scope(status=status), method="GET"))

    assert explained == f"Northgate reports: status {status}, which the portal does not know"


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (9, "it gave conflict cause 9, which the portal does not know"),
        ("request-rejected-legitimate-traffic", "it classified the traffic as legitimate"),
        (
            "overlapping-pipes",
            "the link capacity it was given overlaps another client’s",
        ),
        (None, "it conflicts with another request"),
    ],
)
def test_every_conflict_cause_has_a_sentence(cause: int | str | None, words: str) -> None:
    body = scope(conflict_information={"conflict-cause": cause, "x": 1})

    explained = meaning(said(RECEIVED, "4.09", body, method="PUT"))

    assert explained == f"Northgate refuses (code 4.09): {words}"


def test_every_cause_of_the_client_has_a_label() -> None:
    assert set(CONFLICTS) == set(CONFLICT_CAUSE_LABELS)


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_has_a_label(status: str) -> None:
    explained = meaning(said(RECEIVED, "2.05", scope(status=status), method="GET"))

    assert explained == f"Northgate reports: {STATUSES[status]}"


def test_provider_text_is_truncated() -> None:
    explained = meaning(said(RECEIVED, "4.00", json.dumps("no " * 500), method="PUT"))

    assert len(explained) < 200
    assert explained.endswith("…")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from([SCOPE, "scope", "status", "lifetime", "conflict-information", "x"]),
            inner,
        )
    ),
)


@given(
    body=JSON,
    code=st.sampled_from(["0.00", "0.01", "0.03", "0.04", "2.01", "2.05", "4.09", "5.03", "7.31"]),
    method=st.sampled_from(["", "GET", "PUT", "DELETE", "POST"]),
    topic=st.sampled_from(["mitigation", "session", "heartbeat", "other"]),
    direction=st.sampled_from([SENT, RECEIVED]),
    options=st.text(max_size=40),
)
def test_every_message_of_a_peer_has_a_sentence(
    body: Any, code: str, method: str, topic: str, direction: str, options: str
) -> None:
    message = said(direction, code, method=method, topic=topic, decoded=body, options=options)

    assert meaning(message)

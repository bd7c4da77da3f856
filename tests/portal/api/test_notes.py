"""Notes and the responsible person, as programs read and write them."""

from __future__ import annotations

import pytest

from portal.accounts.models import User
from portal.events.models import Event, EventType
from portal.mitigations.models import MitigationRequest
from portal.mitigations.validation import MAX_NOTE_LENGTH
from portal.organizations.members import remove_member
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from tests.conftest import ApiOf

URL = "/api/v1/organizations/acme/mitigation-requests"
NEW = {"targets": {"prefixes": ["203.0.113.7/32"]}}


@pytest.fixture
def notes(dana: User, api_of: ApiOf, shop: ProtectedResource, acme_northgate: Subscription) -> str:
    api_of(dana).post(URL, NEW)
    return f"{URL}/{MitigationRequest.objects.get().pk}/notes"


def test_members_read_the_notes_in_pages_oldest_first(
    dana: User, bob: User, api_of: ApiOf, notes: str
) -> None:
    written = [api_of(dana).post(notes, {"text": f"note {n} @bob"}).json() for n in range(3)]

    first = api_of(bob).get(f"{notes}?limit=2").json()
    second = api_of(bob).get(first["next"]).json()

    assert first["results"] + second["results"] == written
    assert second["next"] is None
    assert written[0]["mentioned"] == [str(bob.pk)]
    assert (written[0]["by"], written[0]["origin"]) == ("dana", "person")


def test_a_repeated_call_answers_with_the_first_note(dana: User, api_of: ApiOf, notes: str) -> None:
    calls = [
        api_of(dana).post(notes, {"text": text}, headers={"Idempotency-Key": "k1"})
        for text in ("watch port 443", "watch port 443", "another")
    ]

    assert [one.status_code for one in calls] == [201, 201, 422]
    assert calls[0].json() == calls[1].json()
    assert len(api_of(dana).get(notes).json()["results"]) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "required"),
        ({"text": ""}, "blank"),
        ({"text": " \n"}, "blank"),
        ({"text": 5}, "wrong-type"),
        ({"text": None}, "null"),
        ({"text": "x" * (MAX_NOTE_LENGTH + 1)}, "too-long"),
        ({"text": "a\x00b"}, "odd-characters"),
        ({"text": "a\x07b"}, "odd-characters"),
        ({"text": "x", "by": "alice"}, "unknown-field"),
    ],
)
def test_a_wrong_body_is_named(
    dana: User, api_of: ApiOf, notes: str, body: dict[str, object], code: str
) -> None:
    answer = api_of(dana).post(notes, body)

    assert answer.status_code == 400
    assert [one["code"] for one in answer.json()["errors"]] == [code]


def test_a_cursor_that_is_none_is_named(dana: User, api_of: ApiOf, notes: str) -> None:
    for cursor in ("x", "cD1hYmM=", "cD05OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"):
        assert api_of(dana).get(f"{notes}?cursor={cursor}").status_code in (200, 400)


def test_the_request_names_the_responsible_person(dana: User, api_of: ApiOf, notes: str) -> None:
    api, url = api_of(dana), notes.removesuffix("/notes")
    before = api.get(url).json()

    taken = api.post(f"{url}/take-over")

    assert (before["responsible"], before["responsible_since"]) == (None, None)
    assert taken.status_code == 200
    assert taken.json()["responsible"] == "dana"
    assert api.get(url).json()["responsible_since"] == taken.json()["responsible_since"]


def test_taking_over_again_changes_nothing(dana: User, api_of: ApiOf, notes: str) -> None:
    api, url = api_of(dana), notes.removesuffix("/notes")

    answers = [api.post(f"{url}/take-over") for _ in range(2)]

    assert [one.status_code for one in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert Event.objects.filter(type=EventType.REQUEST_TAKEN_OVER).count() == 1


def test_a_person_who_left_is_not_responsible(
    alice: User, dana: User, acme: Organization, api_of: ApiOf, notes: str
) -> None:
    url = notes.removesuffix("/notes")
    api_of(dana).post(f"{url}/take-over")
    remove_member(organization=acme, user=dana, actor=alice)

    shown = api_of(alice).get(url).json()

    assert (shown["responsible"], shown["responsible_left"]) == (None, "dana")
    listed = api_of(alice).get(URL).json()["results"]
    assert [one["responsible_left"] for one in listed] == ["dana"]
    taken = api_of(alice).post(f"{url}/take-over").json()
    assert (taken["responsible"], taken["responsible_left"]) == ("alice", None)


def test_notes_cannot_be_changed_or_deleted(dana: User, api_of: ApiOf, notes: str) -> None:
    made = api_of(dana).post(notes, {"text": "watch port 443"}).json()

    for method in ("put", "patch", "delete"):
        for url in (notes, f"{notes}/{made['id']}"):
            assert getattr(api_of(dana), method)(url, {"text": "x"}).status_code in (404, 405)

    assert api_of(dana).get(notes).json()["results"] == [made]


def test_the_log_has_the_note_and_the_members_that_it_mentions(
    dana: User, bob: User, api_of: ApiOf, notes: str
) -> None:
    api_of(dana).post(notes, {"text": "@bob look"})
    api_of(dana).post(f"{notes.removesuffix('/notes')}/take-over")

    events = api_of(bob).get("/api/v1/organizations/acme/events").json()["results"]
    note, taken = (
        next(one for one in events if one["type"] == type)
        for type in ("request.note", "request.taken_over")
    )
    assert note["data"]["text"] == "@bob look"
    assert note["data"]["mentioned"] == [str(bob.pk)]
    assert taken["data"]["changed"] == {"responsible": {"from": "", "to": "dana"}}
